"""The part of an error that a log may show: its class and its origin, not its message, which may hold a payload."""

from __future__ import annotations

import traceback

from powertools_durable.errors import DurableError, OperationError
from powertools_durable.errors.places import is_own, place, traceback_of, user_frames

__all__ = ["place_of"]

_FRAMES = 5


def place_of(error: BaseException) -> str:
    """Return text such as ``KeyError at shop.py:12 in notify, called by shop.py:40 in handler``, without folders.

    The lines are those of the user's code in the traceback; without any, those of installed packages, else those of
    this package. The message is included only for errors of this package that do not repeat an error of user code.
    """
    trace = traceback_of(error)
    walked = list(traceback.walk_tb(trace))
    frames = list(user_frames(trace)) or [entry for entry in walked if not is_own(entry[0])] or walked
    places = [place(*entry) for entry in reversed(frames[-_FRAMES:])]
    ours = isinstance(error, DurableError) and not isinstance(error, OperationError)
    message = f" ({error})" if ours else ""
    return f"{type(error).__qualname__} at {', called by '.join(places) or 'an unknown place'}{message}"
