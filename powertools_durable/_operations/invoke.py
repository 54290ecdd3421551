"""Invoke another Lambda function, and suspend until it has answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._replay.effects import Checkpoint, Flow, Suspend
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import InvokeError
from powertools_durable.serdes.base import SerDes

__all__ = ["invoke"]

T = TypeVar("T")


def invoke(
    op: OperationHandle, options: Callable[[], ChainedInvokeOptions], payload: str | None, serdes: SerDes[T]
) -> Flow[T]:
    """Have the service invoke the function, and suspend until it has answered (docs/contributing/protocol.md#invoke).

    *options* is called after the plugins' hooks for the start, because the trace header may name the operation's span.
    """
    while True:
        match op.status:
            case None:
                yield Checkpoint(op.start(invoke=options(), payload=payload))
            case Status.STARTED:  # the service enforces the timeout
                yield Suspend()
            case Status.SUCCEEDED:
                value: T = op.decode(serdes)
                return value
            case _:
                raise op.failure(InvokeError)
