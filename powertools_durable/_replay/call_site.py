"""Where in the user's code a durable call stands."""

from __future__ import annotations

import sys
from types import FrameType

from powertools_durable.errors.places import is_library

__all__ = ["call_site"]

_PACKAGE = __name__.partition(".")[0] + "."


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    That is neither this package nor the standard library, through which a thread and the end of a ``with`` block call,
    nor what is installed beside it, unless all of the user's code is. On the thread of a branch there may be none.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look at the stack
    installed: FrameType | None = None
    while frame is not None and is_library(frame):
        is_ours = f"{frame.f_globals.get('__name__', '')}.".startswith(_PACKAGE)
        if installed is None and "-packages" in frame.f_code.co_filename and not is_ours:
            installed = frame
        frame = frame.f_back
    frame = frame or installed
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
