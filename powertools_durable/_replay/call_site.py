"""Where in the user's code a durable call stands."""

from __future__ import annotations

import sys

from powertools_durable.errors.places import users_frame

__all__ = ["call_site"]


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    Frames of this package, of the standard library and of installed packages are skipped; the latter count if the
    user's code is an installed package itself. On the thread of a branch there may be no such caller.
    """
    frame = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
