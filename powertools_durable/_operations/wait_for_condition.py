"""Look again and again until something is so: a step whose RETRY carries the state from one look to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._replay.effects import Attempt, Checkpoint, Flow, Outcome, Raised, Returned, Suspend
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import RetryableSerDesError, ValidationError, WaitForConditionError
from powertools_durable.retry import Polling
from powertools_durable.serdes.base import SerDes

__all__ = ["wait_for_condition"]

S = TypeVar("S")


def wait_for_condition(
    op: OperationHandle, check: Callable[[S], S], initial: S, polling: Polling, serdes: SerDes[S]
) -> Flow[S]:
    """Check until the condition is met. Source: protocol.md 11.5."""
    while True:
        match op.status:
            case Status.SUCCEEDED:
                value: S = op.decode(serdes)
                return value
            case Status.PENDING:
                yield Suspend(until=op.next_attempt)
            case None | Status.READY:
                state = _state(op, initial, serdes)  # read first: a START may clear it
                yield Checkpoint(op.start(), wait=False)
                yield from _check(op, check, state, polling, serdes)
            case Status.STARTED:
                yield from _check(op, check, _state(op, initial, serdes), polling, serdes)
            case _:
                raise op.failure(WaitForConditionError)


def _state(op: OperationHandle, initial: S, serdes: SerDes[S]) -> S:
    """Return what the last check returned; before the first, the initial state as a record would hold it."""
    record = op.record
    if record is not None and record.result is not None:
        kept: S = op.decode(serdes)
        return kept
    if initial is None:  # no check has returned it: it may be what the annotation does not know
        return initial
    _, seen = op.encode(initial, serdes, promised=False)
    first: S = seen
    return first


def _check(op: OperationHandle, check: Callable[[S], S], state: S, polling: Polling, serdes: SerDes[S]) -> Flow[None]:
    number = op.attempts + 1
    outcome: Outcome = yield Attempt(lambda: check(state), number=number)
    try:
        checkpoint = _decided(op, outcome, number, polling, serdes)
    except (RetryableSerDesError, ValidationError):
        raise
    except Exception as error:  # noqa: BLE001 - the check's, the condition's or the serdes': none is tried again
        checkpoint = Checkpoint(op.fail(error), failure=error)
    yield checkpoint


def _decided(op: OperationHandle, outcome: Outcome, number: int, polling: Polling, serdes: SerDes[Any]) -> Checkpoint:
    match outcome:
        case Raised(error):
            return Checkpoint(op.fail(error), failure=error)
        case Returned(value):
            text, seen = op.encode(value, serdes)
            text = op.fitting(text)
            if polling.until(seen):
                return Checkpoint(op.succeed(text))
            if number >= polling.max_attempts:
                message = f"the condition of {op.label} was not met in {number} checks"
                error = WaitForConditionError(message)
                return Checkpoint(op.fail(error), failure=error)
            return Checkpoint(op.retry_with(text, polling.delay(number, op.random)))
