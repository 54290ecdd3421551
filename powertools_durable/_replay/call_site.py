"""Where in the user's code a durable call stands."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["call_site"]

_NOBODY_S = (__name__.partition(".")[0] + ".", "contextlib.")


def call_site() -> str:
    """Return ``file:line`` of the innermost caller outside this package; empty when there is none.

    The end of a ``with`` block calls through contextlib, which is nobody's code here.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look at the stack
    while frame is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_NOBODY_S):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
