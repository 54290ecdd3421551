"""Protocol 11.2, row by row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable._operations.wait import wait
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import Checkpoint, Suspend
from powertools_durable.errors import InvalidStateError, OperationError
from tests.kit import NOON, S, handle, play, wait_record


def waiting(found):
    op = handle(found, OperationType.WAIT)
    return op, wait(op, 60)


def test_a_fresh_wait_starts_its_timer_and_looks_again():
    op, flow = waiting(None)
    played = play(op, flow)
    start = played.effects[0]
    assert isinstance(start, Checkpoint)
    assert (start.wait, start.update.wait_options.wait_seconds) == (True, 60)
    assert played.suspended == Suspend(NOON + timedelta(seconds=60))


def test_a_wait_that_is_over_when_its_start_is_acknowledged_does_not_suspend():
    op, flow = waiting(None)
    next(flow)
    op.engine.state.operations[op.id] = wait_record(S.SUCCEEDED)
    with pytest.raises(StopIteration):
        flow.send(None)


def test_a_running_wait_suspends_until_its_recorded_moment_not_for_the_whole_time_again():
    op, flow = waiting(wait_record(S.STARTED, NOON))
    assert list(play(op, flow).effects) == [Suspend(NOON)]


@pytest.mark.parametrize("status", [S.SUCCEEDED, S.CANCELLED])
def test_a_wait_that_is_over_returns(status):
    op, flow = waiting(wait_record(status))
    played = play(op, flow)
    assert (played.effects, played.returned, played.raised) == ([], None, None)


@pytest.mark.parametrize("status", [S.FAILED, S.TIMED_OUT, S.STOPPED])
def test_any_other_end_is_an_operation_error(status):
    op, flow = waiting(wait_record(status))
    assert type(play(op, flow).raised) is OperationError


@pytest.mark.parametrize("status", [S.PENDING, S.READY, S("HIBERNATING")])
def test_a_state_no_wait_has_is_a_typed_error(status):
    op, flow = waiting(wait_record(status))
    assert type(play(op, flow).raised) is InvalidStateError
