"""Where a replay stops for a debugger: at an operation, or where the code fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from powertools_durable._protocol.operation import Operation, OperationStatus, SubType
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._service.history_reader import RecordedExecution
from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import users_frame
from powertools_durable.testing.replays.addresses import find_operation

__all__ = ["ContextFailures", "Stop", "handler_frames"]

_REPLAYS = "replay_until"  # the function that runs the handler
_BRANCHES = (SubType.MAP_ITERATION, SubType.PARALLEL_BRANCH)

OnStop = Callable[[FrameType, str], object]


def handler_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield *frame* and its callers up to the replay: beyond it is the code that called `replay`."""
    while frame is not None and frame.f_code.co_name != _REPLAYS:
        yield frame
        frame = frame.f_back


def _users_frame() -> FrameType | None:
    """Return the innermost frame of the handler's code; None where this package calls an operation itself."""
    frames = list(handler_frames(sys._getframe(1)))  # noqa: SLF001 - the documented way to look at the stack
    found = users_frame(frames[0])
    return found if found in frames else None


class Stop:
    """An operation at which a replay stops.

    Parameters
    ----------
    found : RecordedExecution
        The history.
    address : str
        ``PATH`` or ``PATH#N``.
    history : str
        What messages call the history.
    on_stop : Callable
        Called once with the frame of the user's code that calls the operation, and the operation's label.

    Attributes
    ----------
    opened : set[str]
        The contexts around the operation: they are entered, also where they have ended.

    Raises
    ------
    ValidationError
        There is no such operation.
    """

    def __init__(self, found: RecordedExecution, address: str, history: str, on_stop: OnStop) -> None:
        self._address = address
        self._history = history
        self._on_stop = on_stop
        self.was_reached = self.has_no_frame = False
        record: Operation | None = find_operation(found.operations, address, history)
        assert record is not None  # noqa: S101 - it raises
        above = found.operations.get(record.parent_id or "")
        is_part = above is not None and above.sub_type == SubType.WAIT_FOR_CALLBACK
        if above is not None and (is_part or record.sub_type in _BRANCHES):  # the user's line calls what is around it
            record = above
        self._id = record.id
        self.opened: set[str] = set()
        while (record := found.operations.get(record.parent_id or "")) is not None:
            self.opened.add(record.id)

    def asks(self, op: OperationHandle) -> None:
        """Stop if the code asks for the operation."""
        if op.id != self._id or self.was_reached:
            return
        frame = _users_frame()
        if frame is None:
            self.has_no_frame = True
            return
        self.was_reached = True
        self._on_stop(frame, op.label)

    def require_reached(self, ends: str) -> None:
        """Refuse a replay that did not stop.

        Raises
        ------
        ValidationError
            It did not; the message says how the replay ended, which is *ends*.
        """
        if self.was_reached:
            return
        why = (
            "no line of the handler calls it, because this package does: it is a deferred function, a compensation or "
            "the wait before a retry"
            if self.has_no_frame
            else f"the code did not come to it: {ends}"
        )
        message = f"{self._address} of {self._history}: {why}"
        raise ValidationError(message)


class ContextFailures:
    """What the code of contexts raised in a replay, and which of these failed the execution."""

    def __init__(self, found: RecordedExecution) -> None:
        self._found = found
        self._raised: list[Exception] = []

    def note(self, context: str | None, error: BaseException) -> None:
        """Note that the code of a context, whose failure is recorded, raised *error*."""
        record = self._found.operations.get(context or "")
        if isinstance(error, Exception) and record is not None and record.status is OperationStatus.FAILED:
            self._raised.append(error)

    def innermost(self, error: Exception) -> Exception:
        """Return the error that *error*, which left the handler, began as in a context inside."""
        raised = [one for one in self._raised if one is not error]
        while True:
            message: Any = getattr(error, "message", None)
            inside = next((one for one in reversed(raised) if message is not None and str(one) == message), None)
            if inside is None:
                return error
            raised.remove(inside)
            error = inside
