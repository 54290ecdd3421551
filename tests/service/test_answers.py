"""What the service makes of the end of an invocation, and the ends that come from outside.

See docs/contributing/protocol.md#invocation-output.
"""

from __future__ import annotations

import pytest

from powertools_durable._protocol.operation import ErrorObject
from tests.service.bench import OOPS, A, Bench, S, T, bring, callback, update, wait

PENDING = {"Status": "PENDING"}
NOTHING_PENDING = "Cannot return PENDING status with no pending operations."


@pytest.fixture
def bench():
    return Bench()


def end_of(bench):
    header = bench.execution.header
    return header.status, header.result, header.error


def invalid(words):
    return ErrorObject(error_type="InvalidParameterValueException", error_message=words)


# -- an answer that ends the execution ----------------------------------------------------------------------------


@pytest.mark.parametrize("result", ["7", "", "null", '"\u00e9"'])
def test_success_ends_the_execution_with_its_result(bench, result):
    bench.wait(3)
    bench.answer({"Status": "SUCCEEDED", "Result": result})
    assert end_of(bench) == ("SUCCEEDED", result, None)
    assert bench.execution.header.ended == bench.now
    record = next(iter(bench.execution.operations.values()))
    assert (record.status, record.end_timestamp) == (S.SUCCEEDED, bench.now)


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (
            {"ErrorType": "ValueError", "ErrorMessage": "oops", "ErrorData": "1", "StackTrace": ["a", "b"]},
            ErrorObject(error_type="ValueError", error_message="oops", error_data="1", stack_trace=("a", "b")),
        ),
        ({"ErrorType": "ValueError"}, ErrorObject(error_type="ValueError")),
        ({}, ErrorObject()),
        (None, ErrorObject()),
    ],
)
def test_failure_ends_the_execution_with_its_error(bench, error, recorded):
    bench.answer({"Status": "FAILED", "Error": error})
    assert end_of(bench) == ("FAILED", None, recorded)
    assert next(iter(bench.execution.operations.values())).status is S.FAILED


def test_failure_needs_no_error(bench):
    bench.answer({"Status": "FAILED"})
    assert end_of(bench) == ("FAILED", None, ErrorObject())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"Status": "SUCCEEDED", "Result": "1", "Error": {}}, "Cannot provide an Error for SUCCEEDED status."),
        ({"Status": "FAILED", "Result": "1"}, "Cannot provide a Result for FAILED status."),
        ({"Status": "FAILED", "Result": "", "Error": {}}, "Cannot provide a Result for FAILED status."),
        ({"Status": "SUCCEEDED"}, "Invalid Result in invocation output."),
        ({"Status": "SUCCEEDED", "Result": {"a": 1}}, "Invalid Result in invocation output."),
        ({"Status": "DONE"}, "Invalid Status in invocation output."),
        ({"Status": None}, "Invalid Status in invocation output."),
        ({"Result": "1"}, "Invalid Status in invocation output."),
        ({}, "Invalid Status in invocation output."),
        (None, "Invalid Status in invocation output."),
        ("SUCCEEDED", "Invalid Status in invocation output."),
        (["SUCCEEDED"], "Invalid Status in invocation output."),
    ],
)
def test_a_malformed_answer_fails_the_execution_at_once(bench, answer, words):
    bench.send(wait())
    bench.answer(answer)
    assert end_of(bench) == ("FAILED", None, invalid(words))
    assert not bench.execution.wants_invocation(bench.now)


def test_an_answer_ends_nothing_when_a_checkpoint_has_ended_the_execution(bench):
    bench.send(update(T.EXECUTION, A.SUCCEED, "execution-result-1", payload="7"))
    bench.answer({"Status": "SUCCEEDED", "Result": ""})
    assert end_of(bench) == ("SUCCEEDED", "7", None)
    assert [event["EventType"] for event in bench.execution.history] == [
        "ExecutionStarted",
        "ExecutionSucceeded",
        "InvocationCompleted",
    ]


def test_a_checkpoint_can_fail_the_execution(bench):
    bench.send(update(T.EXECUTION, A.FAIL, "execution-result-1", error=OOPS))
    bench.answer({"Status": "FAILED"})
    assert end_of(bench) == ("FAILED", None, OOPS)


# -- an answer that suspends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [(T.STEP, S.PENDING), (T.WAIT, S.STARTED), (T.CALLBACK, S.STARTED), (T.CHAINED_INVOKE, S.STARTED)],
)
def test_a_handler_may_suspend_while_something_is_pending(bench, kind, status):
    bring(bench, kind, status)
    for _ in range(5):
        bench.answer(PENDING)
        assert end_of(bench) == ("RUNNING", None, None)
        assert not bench.execution.wants_invocation(bench.now)
        bench.invoke()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (T.STEP, None),
        (T.STEP, S.STARTED),
        (T.STEP, S.SUCCEEDED),
        (T.CONTEXT, S.STARTED),
        (T.WAIT, S.CANCELLED),
        (T.CALLBACK, S.FAILED),
        (T.CHAINED_INVOKE, S.STOPPED),
    ],
)
def test_a_handler_that_suspends_with_nothing_pending_is_asked_twice_more(bench, kind, status):
    bring(bench, kind, status)
    bench.send()
    for _ in range(2):
        bench.answer(PENDING)
        assert end_of(bench) == ("RUNNING", None, None)
        assert bench.execution.wants_invocation(bench.now)
        bench.invoke()
    bench.answer(PENDING)
    assert end_of(bench) == ("FAILED", None, invalid(NOTHING_PENDING))


def test_only_refusals_in_a_row_count(bench):
    for _ in range(3):
        bench.answer(PENDING)
        bench.invoke()
        bench.answer(PENDING)
        bench.invoke()
        bench.send(wait(f"w{bench.execution.header.invocations}", 1))
        bench.answer(PENDING)
        bench.wait(1)
        bench.invoke()
    assert end_of(bench) == ("RUNNING", None, None)


def test_a_handler_may_suspend_when_something_changed_that_it_has_not_seen(bench):
    bench.send(callback())
    bench.execution.complete_callback("cb-1", bench.now)
    bench.answer(PENDING)
    assert bench.execution.header.illegal_pendings == 0
    assert bench.execution.wants_invocation(bench.now)


def test_a_ready_step_the_handler_has_seen_is_nothing_pending(bench):
    bring(bench, T.STEP, S.READY)
    bench.send()
    bench.answer(PENDING)
    assert bench.execution.header.illegal_pendings == 1


# -- an invocation that fails -------------------------------------------------------------------------------------


def fail(bench, times):
    for _ in range(times):
        bench.answer(OOPS)
        bench.wait(5)
        if not bench.execution.is_terminal:
            bench.invoke()


def test_an_invocation_that_fails_is_repeated_after_five_seconds(bench):
    bench.answer(OOPS)
    one = bench.execution
    assert (one.next_moment() - bench.now).total_seconds() == 5
    bench.wait(4.999)
    assert not one.wants_invocation(bench.now)
    bench.wait(0.001)
    assert one.wants_invocation(bench.now)
    bench.invoke()
    assert one.next_moment() is None


def test_the_fifth_failure_in_a_row_ends_the_execution(bench):
    fail(bench, 4)
    assert end_of(bench) == ("RUNNING", None, None)
    fail(bench, 1)
    assert end_of(bench) == ("FAILED", None, OOPS)
    assert not bench.execution.wants_invocation(bench.now)


def test_an_invocation_that_ends_well_begins_the_count_anew(bench):
    bench.send(callback())
    for _ in range(3):
        fail(bench, 4)
        bench.answer(PENDING)
        bench.invoke()
    assert end_of(bench) == ("RUNNING", None, None)


def test_what_a_failed_invocation_has_sent_stays(bench):
    bench.send(update(T.STEP, A.START, "s"))
    fail(bench, 1)
    assert bench.statuses() == {"s": S.STARTED}
    bench.send(update(T.STEP, A.SUCCEED, "s", payload="1"))


def test_an_abandoned_invocation_is_repeated_at_once_and_is_no_failure(bench):
    fail(bench, 3)
    for _ in range(10):
        bench.execution.abandon_invocation(bench.now)
        assert bench.execution.wants_invocation(bench.now)
        bench.invoke()
    assert end_of(bench) == ("RUNNING", None, None)
    fail(bench, 1)
    assert end_of(bench) == ("RUNNING", None, None)
    fail(bench, 1)
    assert end_of(bench) == ("FAILED", None, OOPS)


def test_nothing_is_abandoned_when_nothing_runs(bench):
    bench.send(wait())
    bench.answer(PENDING)
    before = bench.everything()
    bench.execution.abandon_invocation(bench.now)
    assert bench.everything() == before


# -- ends from outside --------------------------------------------------------------------------------------------

ENDS = {
    "stop": ("STOPPED", ErrorObject(error_type="Execution.Stopped", error_message="Execution was stopped")),
    "time_out": ("TIMED_OUT", ErrorObject(error_type="Execution.TimedOut", error_message="Execution timed out")),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("answer", [{"Status": "SUCCEEDED", "Result": "1"}, PENDING, OOPS, None])
def test_an_end_from_outside_stands_whatever_the_handler_answers(bench, end, answer):
    bench.send(wait("w"), update(T.STEP, A.START, "s"))
    getattr(bench.execution, end)(bench.now)
    status, error = ENDS[end]
    bench.answer(answer)
    assert end_of(bench) == (status, None, error)
    assert not bench.execution.wants_invocation(bench.now)
    assert bench.execution.next_moment() is None
    assert bench.statuses() == {"w": S.STARTED, "s": S.STARTED}
    assert next(iter(bench.execution.operations.values())).status.value == status


@pytest.mark.parametrize("end", ENDS)
def test_an_end_from_outside_comes_too_late_for_an_execution_that_has_ended(bench, end):
    bench.answer({"Status": "SUCCEEDED", "Result": "1"})
    before = bench.everything()
    getattr(bench.execution, end)(bench.now)
    assert bench.everything() == before


def test_whoever_stops_an_execution_may_say_why(bench):
    bench.execution.stop(bench.now, OOPS)
    assert end_of(bench) == ("STOPPED", None, OOPS)


def test_an_execution_stopped_while_its_process_was_gone_is_not_run_again(bench):
    bench.execution.stop(bench.now)
    bench.execution.abandon_invocation(bench.now)
    assert not bench.execution.wants_invocation(bench.now)
    assert bench.execution.header.retry_at is None
