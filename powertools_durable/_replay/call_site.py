"""Where in the user's code a durable call stands."""

from __future__ import annotations

import sys

from powertools_durable.errors.places import users_frame

__all__ = ["call_site"]


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    That is neither this package nor the standard library, through which a thread and the end of a ``with`` block call,
    nor what is installed beside it, unless all of the user's code is. On the thread of a branch there may be none.
    """
    frame = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
