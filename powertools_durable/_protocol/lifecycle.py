"""How a record may change, as one table.

Two rules. Everything that decides whether and how a record changes stands in this file. And this file does
not know which side it serves: the engine applies it to what the service acknowledged, the simulator and the
local runner apply it *as* the service.

A change comes from one of three hands, and each has its table:

* the SDK sends an update: `TRANSITIONS`, by type, present status and action;
* a timer comes due: `TIMERS`, by type and present status;
* somebody outside answers (a callback, an invoked function, an operator): `EXTERNAL`.

The diagrams in the documentation are drawn from these tables.
Source: docs/contributing/protocol.md#statuses-and-transitions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    WaitDetails,
)
from powertools_durable._protocol.update import OperationAction, OperationUpdate

__all__ = ["EXTERNAL", "TIMERS", "TRANSITIONS", "IllegalTransition", "apply", "due_at", "fire", "supersedes"]

EXECUTION, CONTEXT, STEP = OperationType.EXECUTION, OperationType.CONTEXT, OperationType.STEP
WAIT, CALLBACK, CHAINED_INVOKE = OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE
START, SUCCEED, FAIL = OperationAction.START, OperationAction.SUCCEED, OperationAction.FAIL
RETRY, CANCEL = OperationAction.RETRY, OperationAction.CANCEL
STARTED, PENDING, READY = OperationStatus.STARTED, OperationStatus.PENDING, OperationStatus.READY
SUCCEEDED, FAILED, CANCELLED = OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED
TIMED_OUT, STOPPED = OperationStatus.TIMED_OUT, OperationStatus.STOPPED

TRANSITIONS: Final = {
    # (type, present status, action): next status; None is "no record yet"
    (STEP, None, START): STARTED,
    (STEP, READY, START): STARTED,
    (STEP, STARTED, SUCCEED): SUCCEEDED,
    (STEP, STARTED, FAIL): FAILED,
    (STEP, STARTED, RETRY): PENDING,
    (STEP, READY, SUCCEED): SUCCEEDED,
    (STEP, READY, FAIL): FAILED,
    (STEP, READY, RETRY): PENDING,
    (WAIT, None, START): STARTED,
    (WAIT, STARTED, CANCEL): CANCELLED,
    (CALLBACK, None, START): STARTED,
    (CHAINED_INVOKE, None, START): STARTED,
    (CONTEXT, None, START): STARTED,
    (CONTEXT, STARTED, SUCCEED): SUCCEEDED,
    (CONTEXT, STARTED, FAIL): FAILED,
    (EXECUTION, STARTED, SUCCEED): SUCCEEDED,
    (EXECUTION, STARTED, FAIL): FAILED,
}
"""What an update of ours does."""

TIMERS: Final = {(STEP, PENDING): READY, (WAIT, STARTED): SUCCEEDED}
"""What the passing of time does."""

EXTERNAL: Final = {
    (CALLBACK, STARTED): frozenset({SUCCEEDED, FAILED, TIMED_OUT}),
    (CHAINED_INVOKE, STARTED): frozenset({SUCCEEDED, FAILED, TIMED_OUT, STOPPED}),
    (EXECUTION, STARTED): frozenset({TIMED_OUT, STOPPED}),
}
"""What the world outside may do."""


class IllegalTransition(Exception):  # noqa: N818 - the theory's word for it
    """An update that the table does not allow."""

    def __init__(self, record: Operation | None, update: OperationUpdate) -> None:
        present = record.status.value if record else "absent"
        super().__init__(f"{update.action.value} of a {update.type.value} that is {present}")
        self.record = record
        self.update = update


def apply(record: Operation | None, update: OperationUpdate, now: datetime) -> Operation:
    """Change a record as an accepted update changes it.

    Parameters
    ----------
    record : Operation | None
        The record as it is; None when there is none.
    update : OperationUpdate
        What was sent.
    now : datetime
        The moment of acceptance, from which timers count.

    Returns
    -------
    Operation
        The record as it is then.

    Raises
    ------
    IllegalTransition
        `TRANSITIONS` has no such row.
    """
    status = TRANSITIONS.get((update.type, record.status if record else None, update.action))
    if status is None:
        raise IllegalTransition(record, update)
    # Made at once, for every update of every branch is applied: `replace` looks at each field of each copy.
    kind = update.type
    return Operation(
        id=update.id,
        type=kind,
        status=status,
        parent_id=update.parent_id,
        name=update.name,
        sub_type=update.sub_type,
        start_timestamp=record.start_timestamp if record else now,
        end_timestamp=now if status.is_terminal else None,
        execution_details=record.execution_details if record else None,
        context_details=_context(update) if kind is CONTEXT else None,
        step_details=_step(record, update, now) if kind is STEP else None,
        wait_details=_wait(record, update, now) if kind is WAIT else None,
        callback_details=CallbackDetails() if kind is CALLBACK else None,
        chained_invoke_details=ChainedInvokeDetails() if kind is CHAINED_INVOKE else None,
    )


def _wait(record: Operation | None, update: OperationUpdate, now: datetime) -> WaitDetails | None:
    options = update.wait_options
    if options is None:
        return record.wait_details if record else None
    return WaitDetails(scheduled_end_timestamp=now + timedelta(seconds=options.wait_seconds))


def _step(record: Operation | None, update: OperationUpdate, now: datetime) -> StepDetails:
    finished = record.attempts if record else 0
    if update.action is START:
        # The emulator forgets the last outcome here. Whether the service does is one of the
        # docs/contributing/protocol.md#open-questions.
        return StepDetails(attempt=finished)
    details = StepDetails(attempt=finished + 1, result=update.payload, error=update.error)
    if update.action is not RETRY:
        return details
    delay = update.step_options.next_attempt_delay_seconds if update.step_options else 0
    return replace(details, next_attempt_timestamp=now + timedelta(seconds=delay))


def _context(update: OperationUpdate) -> ContextDetails:
    replay_children = bool(update.context_options and update.context_options.replay_children)
    return ContextDetails(replay_children=replay_children, result=update.payload, error=update.error)


def due_at(record: Operation) -> datetime | None:
    """Return when a timer of *record* fires; None when it has none running."""
    if (record.type, record.status) not in TIMERS:
        return None
    if record.type is STEP:
        return record.step_details.next_attempt_timestamp if record.step_details else None
    return record.wait_details.scheduled_end_timestamp if record.wait_details else None


def fire(record: Operation, now: datetime) -> Operation:
    """Change *record* as its timer changes it, a row of `TIMERS`."""
    status = TIMERS[record.type, record.status]
    if record.type is STEP:
        details = replace(record.step_details or StepDetails(), next_attempt_timestamp=None)
        return replace(record, status=status, step_details=details)
    return replace(record, status=status, end_timestamp=now)


# Within one count of finished attempts a STEP moves PENDING, READY, STARTED; terminal comes last.
_ORDER: Final = {PENDING: 0, READY: 1, STARTED: 2}


def supersedes(new: Operation, old: Operation) -> bool:
    """Tell whether *new* may take the place of *old*: it does unless it is an older view.

    Pages and responses may overlap; a record that has ended, or has gone further, is never taken back
    (docs/reliability.md#fault-rows, rows 36 and 37).
    """
    if old.status.is_terminal:
        return False
    return new.status.is_terminal or _age(new) >= _age(old)


def _age(record: Operation) -> tuple[int, int]:
    return (record.attempts, _ORDER.get(record.status, 2))
