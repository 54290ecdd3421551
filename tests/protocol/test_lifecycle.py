from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable._protocol.lifecycle import (
    EXTERNAL,
    TIMERS,
    TRANSITIONS,
    IllegalTransition,
    apply,
    due_at,
    fire,
    supersedes,
)
from powertools_durable._protocol.operation import (
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    WaitDetails,
)
from powertools_durable._protocol.update import (
    ContextOptions,
    OperationAction,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS = [kind for kind in OperationType if kind is not OperationType.EXECUTION]


def update(kind: OperationType, action: OperationAction, **fields) -> OperationUpdate:
    return OperationUpdate(id="op", type=kind, action=action, **fields)


def step(status: OperationStatus, attempt: int = 0, **details) -> Operation:
    return Operation(
        id="op", type=OperationType.STEP, status=status, step_details=StepDetails(attempt=attempt, **details)
    )


def test_no_row_of_any_table_leaves_a_terminal_status():
    froms = [status for _, status, _ in TRANSITIONS] + [status for _, status in (*TIMERS, *EXTERNAL)]
    assert not [status for status in froms if status is not None and status.is_terminal]


def test_every_kind_begins_with_start_and_with_nothing_else():
    first = {(kind, action) for kind, status, action in TRANSITIONS if status is None}
    assert first == {(kind, OperationAction.START) for kind in KINDS}


@given(
    st.sampled_from(KINDS),
    st.sampled_from([None, *OperationStatus]),
    st.sampled_from(list(OperationAction)),
)
def test_what_the_table_lacks_is_refused_and_what_it_has_is_done(kind, status, action):
    record = None if status is None else Operation(id="op", type=kind, status=status)
    expected = TRANSITIONS.get((kind, status, action))
    if expected is None:
        with pytest.raises(IllegalTransition):
            apply(record, update(kind, action), NOON)
    else:
        assert apply(record, update(kind, action), NOON).status is expected


def test_a_retry_counts_the_attempt_and_schedules_the_next():
    options = StepOptions(next_attempt_delay_seconds=7)
    error = ErrorObject(error_type="ValueError")
    record = apply(
        step(OperationStatus.STARTED, 1),
        update(OperationType.STEP, OperationAction.RETRY, error=error, step_options=options),
        NOON,
    )
    assert record.status is OperationStatus.PENDING
    assert record.attempts == 2
    assert record.error == error
    assert due_at(record) == NOON + timedelta(seconds=7)


def test_a_started_step_keeps_its_count_and_forgets_its_last_outcome():
    ready = step(OperationStatus.READY, 2, result="state", error=ErrorObject())
    started = apply(ready, update(OperationType.STEP, OperationAction.START), NOON)
    assert started.step_details == StepDetails(attempt=2)


def test_a_wait_is_due_when_its_seconds_have_passed_and_then_succeeds():
    waiting = apply(
        None, update(OperationType.WAIT, OperationAction.START, wait_options=WaitOptions(wait_seconds=60)), NOON
    )
    assert waiting.wait_details == WaitDetails(scheduled_end_timestamp=NOON + timedelta(minutes=1))
    fired = fire(waiting, NOON + timedelta(minutes=1))
    assert fired.status is OperationStatus.SUCCEEDED
    assert fired.end_timestamp == NOON + timedelta(minutes=1)


def test_a_timer_that_fires_on_a_pending_step_makes_it_ready_without_a_next_moment():
    pending = step(OperationStatus.PENDING, 1, next_attempt_timestamp=NOON)
    ready = fire(pending, NOON)
    assert ready.status is OperationStatus.READY
    assert due_at(ready) is None


def test_a_context_with_a_large_result_says_that_its_children_are_replayed():
    started = Operation(id="op", type=OperationType.CONTEXT, status=OperationStatus.STARTED)
    done = apply(
        started,
        update(
            OperationType.CONTEXT,
            OperationAction.SUCCEED,
            payload="",
            context_options=ContextOptions(replay_children=True),
        ),
        NOON,
    )
    assert done.context_details is not None
    assert done.context_details.replay_children
    assert done.result == ""


OLDER_TO_NEWER = [
    step(OperationStatus.STARTED, 0),
    step(OperationStatus.PENDING, 1),
    step(OperationStatus.READY, 1),
    step(OperationStatus.STARTED, 1),
    step(OperationStatus.PENDING, 2),
    step(OperationStatus.SUCCEEDED, 3),
]


@pytest.mark.parametrize("old", range(len(OLDER_TO_NEWER)))
@pytest.mark.parametrize("new", range(len(OLDER_TO_NEWER)))
def test_only_a_newer_view_of_a_record_replaces_an_older(old, new):
    replaces = supersedes(OLDER_TO_NEWER[new], OLDER_TO_NEWER[old])
    is_terminal_again = old == len(OLDER_TO_NEWER) - 1
    assert replaces == (new >= old and not is_terminal_again)
