"""Poll until a condition is met: a step whose RETRY stores the state for the next check."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable._functions import ANSWERS_AT_ONCE, require_finished
from powertools_durable._operations import transfers
from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._replay.effects import Attempt, Checkpoint, Flow, Outcome, Raised, Returned, Suspend
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import RetryableSerDesError, RetryInvocation, ValidationError, WaitForConditionError
from powertools_durable.retry import Polling, PollingPolicy, next_check
from powertools_durable.serdes.base import SerDes

__all__ = ["Limit", "wait_for_condition"]

S = TypeVar("S")


@frozen
class Limit:
    """The maximum duration of the whole wait, counted from its recorded start."""

    seconds: float
    now: Callable[[], datetime]

    def left(self, op: OperationHandle) -> float:
        """Return the remaining seconds; *seconds* while nothing is recorded."""
        started = op.record.start_timestamp if op.record is not None else None
        if started is None:
            return self.seconds
        return (started + timedelta(seconds=self.seconds) - self.now()).total_seconds()


def wait_for_condition(
    op: OperationHandle,
    check: Callable[[S], S],
    initial: S,
    polling: Polling | PollingPolicy,
    serdes: SerDes[S],
    *,
    limit: Limit | None = None,
) -> Flow[S]:
    """Check until the condition is met, or *limit* is over (docs/contributing/protocol.md#wait-for-condition)."""
    while True:
        match op.status:
            case Status.SUCCEEDED:
                value: S = yield from transfers.decode(op, serdes)
                return value
            case Status.PENDING:
                yield Suspend(until=op.next_attempt)
            case None | Status.READY:
                state = yield from _state(op, initial, serdes)  # read it first: START may clear it
                yield Checkpoint(op.start(), wait=False)
                yield from _check(op, check, state, polling, serdes, limit)
            case Status.STARTED:
                state = yield from _state(op, initial, serdes)
                yield from _check(op, check, state, polling, serdes, limit)
            case _:
                raise op.failure(WaitForConditionError)


def _state(op: OperationHandle, initial: S, serdes: SerDes[S]) -> Flow[S]:
    """Return the state of the last check; before the first one, the initial state, written and read back."""
    record = op.record
    if record is not None and record.result is not None:
        last: S = yield from transfers.decode(op, serdes)
        return last
    if initial is None:  # not checked against the annotation, because no check returned it
        return initial
    first: S = op.as_read(initial, serdes, promised=False)
    return first


def _check(  # noqa: PLR0917 - what a check needs
    op: OperationHandle,
    check: Callable[[S], S],
    state: S,
    polling: Polling | PollingPolicy,
    serdes: SerDes[S],
    limit: Limit | None,
) -> Flow[None]:
    number = op.attempts + 1
    outcome: Outcome = yield Attempt(partial(check, state), number=number)
    try:
        checkpoint = yield from _decide(op, outcome, number, polling, serdes, limit)
    except (RetryableSerDesError, RetryInvocation, ValidationError):
        raise
    except Exception as error:  # noqa: BLE001 - errors of check, condition and serdes are not retried
        checkpoint = Checkpoint(op.fail(error), failure=error)
    yield checkpoint


def _decide(  # noqa: PLR0917 - what the decision needs
    op: OperationHandle,
    outcome: Outcome,
    number: int,
    polling: Polling | PollingPolicy,
    serdes: SerDes[Any],
    limit: Limit | None,
) -> Flow[Checkpoint]:
    match outcome:
        case Raised(error):
            return Checkpoint(op.fail(error), failure=error)
        case Returned(value):
            text, decoded = yield from transfers.encode(op, value, serdes)
            text = op.check_size(text)
            delay: int | None
            if not isinstance(polling, Polling):
                delay = next_check(polling, decoded, number)
            elif require_finished(polling.until(decoded), polling.until, ANSWERS_AT_ONCE):
                delay = None
            elif number >= polling.max_attempts:
                return _give_up(op, f"the condition of {op.label} was not met in {number} checks")
            else:
                delay = polling.delay(number, op.random)
            if delay is None:
                return Checkpoint(op.succeed(text))
            left = limit.left(op) if limit is not None else None
            if limit is None or left is None:
                return Checkpoint(op.retry_with(text, delay))
            if left <= 0:
                span = f"within {limit.seconds:g} seconds, in {number} checks"
                return _give_up(op, f"the condition of {op.label} was not met {span}")
            last = max(1, math.ceil(left))  # the last check is made at the end of the limit
            return Checkpoint(op.retry_with(text, min(delay, last)))


def _give_up(op: OperationHandle, message: str) -> Checkpoint:
    error = WaitForConditionError(message)
    return Checkpoint(op.fail(error), failure=error)
