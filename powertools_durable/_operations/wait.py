"""Suspend for a time: the simplest operation."""

from __future__ import annotations

from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._protocol.update import WaitOptions
from powertools_durable._replay.effects import Call, Checkpoint, Flow, Suspend
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import OperationError

__all__ = ["call", "wait"]


def call(frame: Frame, seconds: int, name: str | None) -> Call[None]:
    """Build the call of a wait in *frame*, and take its id."""
    op = frame.begin(OperationType.WAIT, SubType.WAIT, name)
    return Call(frame, op, wait(op, seconds))


def wait(op: OperationHandle, seconds: int) -> Flow[None]:
    """Suspend until the service says that *seconds* have passed. See docs/contributing/protocol.md#wait."""
    while True:
        match op.status:
            case None:
                yield Checkpoint(op.start(wait=WaitOptions(wait_seconds=seconds)))
            case Status.STARTED:
                yield Suspend(until=op.scheduled_end)
            case Status.SUCCEEDED | Status.CANCELLED:  # a cancelled wait is over, too
                return
            case _:
                raise op.failure(OperationError)
