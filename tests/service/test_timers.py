"""What time does to an execution: waits, delays before a retry, and when the next thing happens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable._service.execution import ServiceExecution
from tests.service.bench import ARN, NOON, OOPS, A, Bench, Counted, S, T, callback, retry, update, wait


@pytest.fixture
def bench():
    return Bench()


def seconds(moment):
    return None if moment is None else (moment - NOON).total_seconds()


# -- a wait -------------------------------------------------------------------------------------------------------


def test_a_wait_ends_at_its_moment_and_not_before(bench):
    (record,) = bench.send(wait("w", 10))
    assert seconds(record.wait_details.scheduled_end_timestamp) == 10
    bench.wait(9.999)
    assert bench.statuses() == {"w": S.STARTED}
    bench.wait(0.001)
    assert bench.statuses() == {"w": S.SUCCEEDED}


def test_a_wait_ended_when_it_was_due_however_late_anybody_looks(bench):
    bench.send(wait("w", 10))
    bench.wait(500)
    assert seconds(bench.execution.operations["w"].end_timestamp) == 10


def test_a_cancelled_wait_never_ends_a_second_time(bench):
    bench.send(wait("w", 10))
    bench.wait(1)
    bench.send(update(T.WAIT, A.CANCEL, "w"))
    bench.wait(500)
    assert bench.statuses() == {"w": S.CANCELLED}
    assert seconds(bench.execution.operations["w"].end_timestamp) == 1


# -- a retry ------------------------------------------------------------------------------------------------------


def test_a_step_is_ready_when_its_delay_is_over(bench):
    bench.send(update(T.STEP, A.START), retry(seconds=10, error=OOPS))
    pending = bench.execution.operations["op"]
    assert (pending.status, pending.attempts, pending.error) == (S.PENDING, 1, OOPS)
    assert seconds(pending.step_details.next_attempt_timestamp) == 10
    bench.wait(9.999)
    assert bench.statuses() == {"op": S.PENDING}
    bench.wait(0.001)
    ready = bench.execution.operations["op"]
    assert (ready.status, ready.attempts, ready.error) == (S.READY, 1, OOPS)
    assert ready.step_details.next_attempt_timestamp is None
    assert ready.end_timestamp is None


def test_a_step_stays_ready_until_somebody_starts_it(bench):
    bench.send(update(T.STEP, A.START), retry(seconds=10))
    bench.wait(10)
    bench.wait(1000)
    assert bench.statuses() == {"op": S.READY}


def test_attempts_are_counted_when_they_end(bench):
    counted = []
    for action in (A.START, A.RETRY, A.START, A.RETRY, A.START, A.SUCCEED):
        (record,) = bench.send(update(T.STEP, action))
        counted.append(record.attempts)
        bench.wait(10 if action is A.RETRY else 0)
    assert counted == [0, 1, 1, 2, 2, 3]


def test_a_state_that_is_polled_for_is_kept_until_the_next_attempt_starts(bench):
    bench.send(update(T.STEP, A.START), retry(seconds=1, payload="7"))
    bench.wait(1)
    assert bench.execution.operations["op"].result == "7"
    assert bench.send(update(T.STEP, A.START))[0].result is None


# -- several ------------------------------------------------------------------------------------------------------


def test_timers_fire_in_the_order_they_are_due(bench):
    bench.send(wait("late", 30), wait("early", 10), callback("middle", timeout=20), wait("after", 31))
    told = len(bench.execution.history)
    bench.wait(30)
    events = bench.execution.history[told:]
    assert [event["Id"] for event in events] == ["early", "middle", "late"]
    noon = events[0]["EventTimestamp"] - 10_000
    assert [event["EventTimestamp"] - noon for event in events] == [10_000, 20_000, 30_000]


def test_the_next_moment_is_the_earliest_of_all_timers(bench):
    one = bench.execution
    assert one.next_moment() is None
    bench.send(wait("w", 30), update(T.STEP, A.START), callback("c", timeout=20, heartbeat=15))
    assert seconds(one.next_moment()) == 15
    assert seconds(one.next_moment(callbacks=False)) == 30
    bench.send(retry(seconds=5))
    assert seconds(one.next_moment()) == 5
    bench.wait(5)
    assert seconds(one.next_moment()) == 15
    bench.wait(25)
    assert one.next_moment() is None


def test_nothing_happens_by_itself_without_a_timer(bench):
    bench.send(callback(), update(T.CHAINED_INVOKE, A.START, "i"), update(T.STEP, A.START, "s"))
    assert bench.execution.next_moment() is None
    bench.wait(10**8)
    assert set(bench.statuses().values()) == {S.STARTED}


@pytest.mark.parametrize("end", ["stop", "time_out"])
def test_no_timer_fires_when_the_execution_has_ended(bench, end):
    bench.send(wait("w", 10), update(T.STEP, A.START), retry(), callback("c", timeout=10))
    getattr(bench.execution, end)(bench.now)
    before = bench.everything()
    assert bench.execution.next_moment() is None
    bench.wait(10)
    assert bench.everything() == before


def test_time_passes_twice_without_harm(bench):
    bench.send(wait("w", 10), callback("c", timeout=10))
    bench.wait(10)
    before = bench.everything()
    bench.wait(0)
    assert bench.everything() == before


def test_time_moves_nothing_in_a_checkpoint_that_is_refused(bench):
    bench.send(wait("w", 10))
    bench.now += timedelta(seconds=10)
    bench.refused(update(T.WAIT, A.CANCEL, "absent"))
    assert bench.statuses() == {"w": S.SUCCEEDED}  # `refused` ends with a poll


# -- when the handler is to run -----------------------------------------------------------------------------------


def test_a_new_execution_wants_its_first_invocation_and_no_second_beside_it():
    one = ServiceExecution.start(ARN, "order-42", None, NOON, Counted())
    assert one.wants_invocation(NOON)
    one.begin_invocation(NOON)
    assert not one.wants_invocation(NOON)


def test_a_timer_that_fires_wants_an_invocation(bench):
    bench.send(wait("w", 10))
    bench.answer({"Status": "PENDING"})
    assert not bench.execution.wants_invocation(bench.now)
    bench.wait(10)
    assert bench.execution.wants_invocation(bench.now)
    bench.invoke()
    assert not bench.execution.wants_invocation(bench.now)


def test_a_timer_that_fires_during_the_invocation_wants_another(bench):
    bench.send(wait("w", 10), wait("v", 20))
    bench.wait(10)
    bench.answer({"Status": "PENDING"})
    assert bench.execution.wants_invocation(bench.now)


def test_a_timer_that_a_checkpoint_has_told_of_wants_none(bench):
    bench.send(wait("w", 10), wait("v", 20))
    bench.wait(10)
    bench.send()
    bench.answer({"Status": "PENDING"})
    assert not bench.execution.wants_invocation(bench.now)
