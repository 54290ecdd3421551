"""What a log may show of an error: its class and where it came from, not its message, which may hold a payload."""

from __future__ import annotations

import traceback

from powertools_durable.errors import DurableError, OperationError
from powertools_durable.errors.places import is_own, place, traceback_of, user_frames

__all__ = ["place_of"]

_FRAMES = 5


def place_of(error: BaseException) -> str:
    """Return ``KeyError at shop.py:12 in notify, called by shop.py:40 in handler``; names of files only.

    The lines are those of the user's code; if it passed none, those of installed packages, else those of this package.
    The message is shown for errors of this package only, except those that repeat what user code raised.
    """
    trace = traceback_of(error)
    walked = list(traceback.walk_tb(trace))
    frames = list(user_frames(trace)) or [one for one in walked if not is_own(one[0])] or walked
    places = [place(*one) for one in reversed(frames[-_FRAMES:])]
    ours = isinstance(error, DurableError) and not isinstance(error, OperationError)
    words = f" ({error})" if ours else ""
    return f"{type(error).__qualname__} at {', called by '.join(places) or 'an unknown place'}{words}"
