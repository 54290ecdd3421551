"""Says of an error what a log may show: its class and where it came from, not its words, which may be payload."""

from __future__ import annotations

import traceback

from powertools_durable.errors import DurableError, OperationError
from powertools_durable.errors.places import is_own, place, traceback_of, user_frames

__all__ = ["place_of"]

_FRAMES = 5


def place_of(error: BaseException) -> str:
    """Return ``KeyError at shop.py:12 in notify, called by shop.py:40 in handler``; names of files only.

    Lines of the user's own code where it passed one, else those of installed packages, else of this one. The words of
    our own errors are shown, but for those that repeat what a user's code raised.
    """
    trace = traceback_of(error)
    walked = list(traceback.walk_tb(trace))
    frames = list(user_frames(trace)) or [one for one in walked if not is_own(one[0])] or walked
    places = [place(*one) for one in reversed(frames[-_FRAMES:])]
    ours = isinstance(error, DurableError) and not isinstance(error, OperationError)
    words = f" ({error})" if ours else ""
    return f"{type(error).__qualname__} at {', called by '.join(places) or 'an unknown place'}{words}"
