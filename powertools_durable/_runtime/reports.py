"""Warns of code that swallowed or replaced a suspension. The execution is suspended anyway, so only the log shows it.

See docs/contributing/protocol.md#suspension and
docs/powertools/pitfalls.md#3-except-baseexception-around-durable-calls.
"""

from __future__ import annotations

import linecache
import logging
import sys
from types import FrameType

from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.error_origin import place_of
from powertools_durable.errors.places import place, traceback_of, user_frames, users_frame

__all__ = ["warn_of_call", "warn_of_replaced", "warn_of_swallowed"]

logger = logging.getLogger(__name__)


def warn_of_replaced(error: Exception) -> None:
    """Warn of an error that replaced a suspension; without its message, which may hold a payload."""
    logger.warning(
        "an error was raised while the execution was being suspended, and is ignored: %s. 'finally' and 'with' "
        "blocks run at every suspension; ctx.defer() and ctx.saga() are for the execution's end",
        place_of(error),
    )


def warn_of_swallowed(frame: Frame, waited_at: str = "") -> None:
    """Warn, once per suspension, of code that returned although a suspension was raised in it.

    Async code is cancelled instead, so there is no traceback with the line: *waited_at* is the line of the call that
    the code awaited.
    """
    signal = frame.suspension
    if signal is None or signal.is_reported:
        return
    signal.is_reported = True
    caught = next(user_frames(traceback_of(signal)), None)
    waited = f", where it waited at {waited_at}" if waited_at else ""
    _warn(frame, f"caught the signal that suspends the execution, or returned in a 'finally'{waited}", caught)


def warn_of_call(frame: Frame, raised_as: type[BaseException] | None = None, waited_at: str = "") -> None:
    """Warn of a durable call after a suspension was caught, but not of a call in a ``finally`` block.

    Parameters
    ----------
    frame : Frame
        The context that is suspended.
    raised_as : type[BaseException] | None
        The class of the exception that the code gets, if it is not the suspension itself.
    waited_at : str
        See `warn_of_swallowed`.
    """
    signal = frame.suspension
    if signal is None or signal.is_reported:
        return
    if not _is_passing(signal, raised_as):
        warn_of_swallowed(frame, waited_at)
        return
    caller = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to read the stack
    if caller is not None and _is_in_except(caller):
        signal.is_reported = True
        fact = "makes a durable call in an 'except' block that caught the signal that suspends the execution"
        _warn(frame, fact, (caller, caller.f_lineno))


def _warn(frame: Frame, fact: str, caught: tuple[FrameType, int] | None) -> None:
    where = "the handler" if frame.context_id is None else f"the context of operation {frame.context_id[:8]}"
    at = f" at {place(*caught)}" if caught is not None else ""
    logger.warning(
        "code in %s%s %s; the execution is suspended all the same. Write 'except Exception:', which lets the signal "
        "pass",
        where,
        at,
        fact,
    )


def _is_passing(signal: BaseException, raised_as: type[BaseException] | None) -> bool:
    """Return whether an ``except`` or ``finally`` block is running because of *signal*."""
    handled = sys.exception()
    while handled is not None:
        if handled is signal or (raised_as is not None and isinstance(handled, raised_as)):
            return True
        handled = handled.__context__
    return False


def _is_in_except(frame: FrameType) -> bool:
    """Return whether the innermost block around the line is an ``except``; False without source code."""
    lines = linecache.getlines(frame.f_code.co_filename)[: frame.f_lineno]
    if len(lines) < frame.f_lineno:
        return False
    around = len(lines[-1])
    for line in reversed(lines[frame.f_code.co_firstlineno - 1 :]):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text or text.startswith("#") or indent >= around:
            continue
        if text.startswith(("except", "finally")):
            return text.startswith("except")
        around = indent
    return False
