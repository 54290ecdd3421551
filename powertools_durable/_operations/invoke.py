"""Call another Lambda function, and wait for its answer without paying for the wait."""

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
    """Have the service call the function, and suspend until it has answered. See docs/contributing/protocol.md#invoke.

    *options* are asked for when the operation has begun: a trace header may name what traces it.
    """
    while True:
        match op.status:
            case None:
                yield Checkpoint(op.start(invoke=options(), payload=payload))
            case Status.STARTED:  # the service keeps the time
                yield Suspend()
            case Status.SUCCEEDED:
                value: T = op.decode(serdes)
                return value
            case _:
                raise op.failure(InvokeError)
