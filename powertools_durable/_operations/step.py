"""Run a function and record its outcome; after that is acknowledged, the function never runs again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from powertools_durable._operations import transfers
from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._replay.effects import Attempt, Checkpoint, Flow, Outcome, Raised, Returned, Suspend
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import (
    InvalidStateError,
    PayloadTooLargeError,
    RetryableSerDesError,
    SerDesError,
    StepError,
    StepInterruptedError,
)
from powertools_durable.retry import RetryPolicy, decide
from powertools_durable.serdes.base import SerDes

__all__ = ["step"]

T = TypeVar("T")


def step(
    op: OperationHandle,
    body: Callable[[], T],
    retry: RetryPolicy,
    serdes: SerDes[T],
    *,
    at_most_once: bool = False,
    timeout: float | None = None,
) -> Flow[T]:
    """Run *body* until an attempt succeeds or the retry policy gives up. See docs/contributing/protocol.md#step."""
    while True:
        match op.status:
            case Status.SUCCEEDED:
                value: T = yield from transfers.decode(op, serdes)
                return value
            case Status.PENDING:  # a retry is scheduled
                yield Suspend(until=op.next_attempt)
            case Status.STARTED if at_most_once:  # an invocation died inside the body
                yield from _settle(op, Raised(_interrupted(op)), retry, serdes)
            case Status.STARTED:
                yield from _attempt(op, body, retry, serdes, timeout)
            case None | Status.READY if at_most_once:
                yield Checkpoint(op.start())
                _require_started(op)
                yield from _attempt(op, body, retry, serdes, timeout, deferrable=False)
            case None | Status.READY:
                yield Checkpoint(op.start(), wait=False, deferrable=True)
                yield from _attempt(op, body, retry, serdes, timeout)
            case _:
                raise op.failure(StepError)


def _attempt(
    op: OperationHandle,
    body: Callable[[], Any],
    retry: RetryPolicy,
    serdes: SerDes[Any],
    timeout: float | None,
    *,
    deferrable: bool = True,
) -> Flow[None]:
    outcome: Outcome = yield Attempt(body, number=op.attempts + 1, timeout=timeout)
    yield from _settle(op, outcome, retry, serdes, deferrable=deferrable)


def _settle(
    op: OperationHandle, outcome: Outcome, retry: RetryPolicy, serdes: SerDes[Any], *, deferrable: bool = False
) -> Flow[None]:
    match outcome:
        case Returned(value):
            try:
                text, _ = yield from transfers.encode(op, value, serdes)
                yield Checkpoint(op.succeed(op.check_size(text)), deferrable=deferrable)
            except RetryableSerDesError:
                raise
            except (SerDesError, PayloadTooLargeError) as error:  # another attempt would return such a value again
                yield Checkpoint(op.fail(error), deferrable=deferrable, failure=error)
        case Raised(SerDesError() | PayloadTooLargeError() as error):
            yield Checkpoint(op.fail(error), deferrable=deferrable, failure=error)
        case Raised(error):
            delay = decide(retry, error, op.attempts + 1, op.random)
            if delay is None:
                yield Checkpoint(op.fail(error), deferrable=deferrable, failure=error)
            else:
                yield Checkpoint(op.retry(error, delay), failure=error)


def _require_started(op: OperationHandle) -> None:
    if op.status is not Status.STARTED:
        message = (
            f"the service acknowledged the START of {op.label}, but its record is not started; its body was not run"
        )
        raise InvalidStateError(message)


def _interrupted(op: OperationHandle) -> StepInterruptedError:
    return StepInterruptedError(
        f"{op.label} was interrupted during attempt {op.attempts + 1}; it is an at-most-once step, so its body is not "
        "run again in that attempt"
    )
