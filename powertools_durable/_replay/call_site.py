"""Where in the user's code a durable call stands."""

from __future__ import annotations

import functools
import sys
from types import FrameType

__all__ = ["call_site"]

_PACKAGE = __name__.partition(".")[0] + "."


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    That is neither this package nor the standard library, through which a thread and the end of a ``with`` block call,
    nor what is installed beside it, unless all of the user's code is. On the thread of a branch there may be none.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look at the stack
    installed: FrameType | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(_PACKAGE):
            if "site-packages" in file or "dist-packages" in file:
                installed = installed or frame
            elif not file.startswith(_standard_library()):
                break
        frame = frame.f_back
    frame = frame or installed
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


@functools.cache
def _standard_library() -> tuple[str, ...]:
    """Return how the names of its files begin; modules that Python brings along compiled have none."""
    import sysconfig  # takes its time, and only errors ask

    return ("<frozen", *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib")))
