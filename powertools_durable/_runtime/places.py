"""Says of an error what a log may show: its class and where it came from, not its words, which may be payload."""

from __future__ import annotations

import traceback

from powertools_durable.errors import DurableError, OperationError

__all__ = ["place_of"]

_FRAMES = 5


def place_of(error: BaseException) -> str:
    """Return ``KeyError at shop.py:12 in notify, called by shop.py:40 in handler``; names of files only.

    The words of our own errors are shown, but for those that repeat what a user's code raised.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}" for frame in reversed(frames)]
    ours = isinstance(error, DurableError) and not isinstance(error, OperationError)
    words = f" ({error})" if ours else ""
    return f"{type(error).__qualname__} at {', called by '.join(places) or 'an unknown place'}{words}"
