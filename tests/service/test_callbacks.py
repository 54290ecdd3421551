"""Answers from outside: callbacks with their two timeouts, and invoked functions.

See docs/contributing/protocol.md#statuses-and-transitions, #service-api.
"""

from __future__ import annotations

import pytest

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import OOPS, A, Bench, S, T, callback, update


@pytest.fixture
def bench():
    return Bench()


def is_refused(bench, code, status, change):
    before = bench.everything()
    with pytest.raises(ServiceRefusal) as caught:
        change(bench.execution)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert bench.everything() == before
    return True


CHANGES = [
    lambda bench, key: bench.execution.complete_callback(key, bench.now, result="1"),
    lambda bench, key: bench.execution.complete_callback(key, bench.now, error=OOPS),
    lambda bench, key: bench.execution.heartbeat(key, bench.now),
]


def nobody_waits(bench, key="cb-1"):
    return all(
        is_refused(bench, "CallbackTimeoutException", 400, lambda _, change=change: change(bench, key))
        for change in CHANGES
    )


# -- an id --------------------------------------------------------------------------------------------------------


def test_the_response_to_the_start_has_the_id(bench):
    first, second = bench.send(callback("a"), callback("b"))
    assert [first.callback_details.callback_id, second.callback_details.callback_id] == ["cb-1", "cb-2"]
    assert bench.execution.callback("cb-2").id == "b"


def test_the_id_stays_out_of_every_repr(bench):
    (record,) = bench.send(callback())
    assert "cb-1" not in repr(record)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("key", ["unknown", "", "op"])
def test_an_unknown_id_is_not_found(bench, change, key):
    bench.send(callback(), update(T.CHAINED_INVOKE, A.START, "i"))
    assert is_refused(bench, "ResourceNotFoundException", 404, lambda _: change(bench, key))


# -- an answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"result": '{"approved": true}'}, S.SUCCEEDED),
        ({"result": ""}, S.SUCCEEDED),
        ({}, S.SUCCEEDED),
        ({"error": OOPS}, S.FAILED),
        ({"error": ErrorObject()}, S.FAILED),
    ],
)
def test_an_answer_is_recorded_as_it_was_sent(bench, answer, status):
    bench.send(callback())
    bench.wait(3)
    bench.execution.complete_callback("cb-1", bench.now, **answer)
    (record,) = bench.send()
    assert (record.status, record.end_timestamp) == (status, bench.now)
    assert (record.result, record.error) == (answer.get("result"), answer.get("error"))
    assert record.callback_details.callback_id == "cb-1"


def test_an_answer_wants_an_invocation(bench):
    bench.send(callback())
    bench.answer({"Status": "PENDING"})
    assert not bench.execution.wants_invocation(bench.now)
    bench.execution.complete_callback("cb-1", bench.now)
    assert bench.execution.wants_invocation(bench.now)


@pytest.mark.parametrize("change", CHANGES[:2])
def test_nobody_waits_for_a_second_answer(bench, change):
    bench.send(callback())
    change(bench, "cb-1")
    assert nobody_waits(bench)


@pytest.mark.parametrize("end", ["stop", "time_out"])
def test_nobody_waits_for_an_answer_when_the_execution_has_ended(bench, end):
    bench.send(callback())
    getattr(bench.execution, end)(bench.now)
    assert nobody_waits(bench)


# -- timeouts -----------------------------------------------------------------------------------------------------

TIMEOUT = ErrorObject(error_type="Callback.Timeout", error_message="Callback timed out")
HEARTBEAT = ErrorObject(error_type="Callback.Heartbeat", error_message="Callback timed out on heartbeat")


@pytest.mark.parametrize(
    ("timeout", "heartbeat", "after", "error"),
    [(30, 0, 30, TIMEOUT), (0, 10, 10, HEARTBEAT), (30, 10, 10, HEARTBEAT), (10, 30, 10, TIMEOUT)],
)
def test_the_earlier_of_its_timeouts_ends_a_callback(bench, timeout, heartbeat, after, error):
    bench.send(callback(timeout=timeout, heartbeat=heartbeat))
    bench.wait(after - 0.001)
    assert bench.statuses() == {"op": S.STARTED}
    bench.wait(0.001)
    record = bench.execution.operations["op"]
    assert (record.status, record.error, record.end_timestamp) == (S.TIMED_OUT, error, bench.now)
    assert nobody_waits(bench)
    bench.wait(100)
    assert bench.execution.operations["op"] == record


@pytest.mark.parametrize("options", [{}, {"callback_options": None}])
def test_a_callback_without_timeouts_waits_for_ever(bench, options):
    bench.send(update(T.CALLBACK, A.START, **options))
    bench.wait(10**8)
    bench.execution.complete_callback("cb-1", bench.now)
    assert bench.statuses() == {"op": S.SUCCEEDED}


def test_a_heartbeat_begins_its_timer_anew_and_not_the_other(bench):
    bench.send(callback(timeout=25, heartbeat=10))
    for _ in range(2):
        bench.wait(9)
        bench.execution.heartbeat("cb-1", bench.now)
    assert bench.statuses() == {"op": S.STARTED}
    bench.wait(7)
    record = bench.execution.operations["op"]
    assert (record.status, record.error) == (S.TIMED_OUT, TIMEOUT)


def test_a_heartbeat_that_is_not_asked_for_is_taken_and_does_nothing(bench):
    bench.send(callback(timeout=10))
    bench.wait(9)
    bench.execution.heartbeat("cb-1", bench.now)
    bench.wait(1)
    assert bench.statuses() == {"op": S.TIMED_OUT}


@pytest.mark.parametrize("options", [{"timeout": 10}, {"heartbeat": 10}])
def test_an_answer_at_the_last_moment_is_too_late_even_if_nobody_looked_at_the_clock(bench, options):
    bench.send(callback(**options))
    bench.now = bench.now.replace(second=10)
    assert nobody_waits(bench)
    bench.execution.advance(bench.now)
    assert bench.statuses() == {"op": S.TIMED_OUT}


def test_an_answer_stops_the_timers(bench):
    bench.send(callback(timeout=10, heartbeat=5))
    bench.execution.complete_callback("cb-1", bench.now, result="1")
    assert bench.execution.next_moment() is None
    bench.wait(100)
    assert bench.statuses() == {"op": S.SUCCEEDED}


# -- invoked functions --------------------------------------------------------------------------------------------


def complete_invoke(status, key="op", result=None, error=None):
    return lambda one: one.complete_invoke(key, status, one.header.started, result=result, error=error)


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [(S.SUCCEEDED, "7", None), (S.FAILED, None, OOPS), (S.TIMED_OUT, None, OOPS), (S.STOPPED, None, OOPS)],
)
def test_an_invoked_function_ends_its_operation(bench, status, result, error):
    bench.send(update(T.CHAINED_INVOKE, A.START))
    complete_invoke(status, result=result, error=error)(bench.execution)
    (record,) = bench.send()
    assert (record.status, record.result, record.error) == (status, result, error)
    assert is_refused(bench, "InvalidParameterValueException", 400, complete_invoke(status))


@pytest.mark.parametrize("status", [S.STARTED, S.PENDING, S.READY, S.CANCELLED])
def test_an_invoked_function_ends_in_no_other_way(bench, status):
    bench.send(update(T.CHAINED_INVOKE, A.START))
    assert is_refused(bench, "InvalidParameterValueException", 400, complete_invoke(status))


@pytest.mark.parametrize("kind", [None, T.STEP, T.WAIT, T.CALLBACK, T.CONTEXT])
def test_an_operation_of_another_kind_is_ended_by_no_function(bench, kind):
    if kind is not None:
        bench.send(update(kind, A.START))
    assert is_refused(bench, "InvalidParameterValueException", 400, complete_invoke(S.SUCCEEDED))


def test_nobody_waits_for_a_function_when_the_execution_has_ended(bench):
    bench.send(update(T.CHAINED_INVOKE, A.START))
    bench.execution.stop(bench.now)
    assert is_refused(bench, "InvalidParameterValueException", 400, complete_invoke(S.SUCCEEDED))
