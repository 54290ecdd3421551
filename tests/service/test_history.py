"""The events of an execution, each as GetDurableExecutionHistory tells it.

See docs/contributing/protocol.md#history-events.
"""

from __future__ import annotations

import pytest

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.update import ChainedInvokeOptions
from tests.service.bench import NOON, OOPS, A, Bench, S, T, bring, callback, complaints, retry, update, wait

START = int(NOON.timestamp() * 1000)


def told(bench):
    """The events after the execution's start; moments in seconds after it."""
    found = []
    assert not complaints(bench.execution.history[0])
    for event in bench.execution.history[1:]:
        assert not complaints(event)
        assert event["EventId"] == len(found) + 2
        found.append({**event, "EventTimestamp": (event["EventTimestamp"] - START) / 1000})
        del found[-1]["EventId"]
    return found


def test_a_history_from_beginning_to_end():
    bench = Bench(payload='{"order": 42}')
    child = {"name": "prepare", "sub_type": "RunInChildContext"}
    step = {"name": "charge", "sub_type": "Step", "parent_id": "c"}
    bench.wait(1)
    bench.send(update(T.CONTEXT, A.START, "c", **child), update(T.STEP, A.START, "s", **step))
    bench.send(retry("s", 4, error=OOPS, **step))
    bench.answer({"Status": "PENDING"})
    bench.wait(4)
    bench.invoke()
    bench.send(update(T.STEP, A.START, "s", **step), update(T.STEP, A.SUCCEED, "s", payload='"paid"', **step))
    bench.send(update(T.CONTEXT, A.SUCCEED, "c", payload="[1]", **child))
    bench.send(wait("w", 10), callback("b", timeout=100, heartbeat=50))
    bench.answer(OOPS)
    bench.wait(15)
    bench.execution.complete_callback("cb-1", bench.now, result="true")
    bench.invoke()
    bench.answer({"Status": "SUCCEEDED", "Result": "7"})

    assert bench.execution.history[0] == {
        "EventId": 1,
        "EventType": "ExecutionStarted",
        "EventTimestamp": START,
        "Id": "0a1b",
        "Name": "order-42",
        "ExecutionStartedDetails": {
            "Input": {"Payload": '{"order": 42}', "Truncated": False},
            "ExecutionTimeout": 31_622_400,
        },
    }
    in_child = {"Id": "c", "Name": "prepare", "SubType": "RunInChildContext"}
    in_step = {"Id": "s", "ParentId": "c", "Name": "charge", "SubType": "Step"}
    oops = {"Payload": {"ErrorType": "ValueError", "ErrorMessage": "oops"}, "Truncated": False}
    assert told(bench) == [
        {"EventTimestamp": 1, "EventType": "ContextStarted", **in_child, "ContextStartedDetails": {}},
        {"EventTimestamp": 1, "EventType": "StepStarted", **in_step, "StepStartedDetails": {}},
        {
            "EventTimestamp": 1,
            "EventType": "StepFailed",
            **in_step,
            "StepFailedDetails": {
                "Error": oops,
                "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 4},
            },
        },
        {
            "EventTimestamp": 1,
            "EventType": "InvocationCompleted",
            "InvocationCompletedDetails": {"StartTimestamp": START, "EndTimestamp": START + 1000, "RequestId": ""},
        },
        {"EventTimestamp": 5, "EventType": "StepStarted", **in_step, "StepStartedDetails": {}},
        {
            "EventTimestamp": 5,
            "EventType": "StepSucceeded",
            **in_step,
            "StepSucceededDetails": {
                "Result": {"Payload": '"paid"', "Truncated": False},
                "RetryDetails": {"CurrentAttempt": 2},
            },
        },
        {
            "EventTimestamp": 5,
            "EventType": "ContextSucceeded",
            **in_child,
            "ContextSucceededDetails": {"Result": {"Payload": "[1]", "Truncated": False}},
        },
        {
            "EventTimestamp": 5,
            "EventType": "WaitStarted",
            "Id": "w",
            "WaitStartedDetails": {"Duration": 10, "ScheduledEndTimestamp": START + 15_000},
        },
        {
            "EventTimestamp": 5,
            "EventType": "CallbackStarted",
            "Id": "b",
            "CallbackStartedDetails": {"CallbackId": "cb-1", "Timeout": 100, "HeartbeatTimeout": 50},
        },
        {
            "EventTimestamp": 5,
            "EventType": "InvocationCompleted",
            "InvocationCompletedDetails": {
                "StartTimestamp": START + 5000,
                "EndTimestamp": START + 5000,
                "RequestId": "",
                "Error": oops,
            },
        },
        {"EventTimestamp": 15, "EventType": "WaitSucceeded", "Id": "w", "WaitSucceededDetails": {"Duration": 10}},
        {
            "EventTimestamp": 20,
            "EventType": "CallbackSucceeded",
            "Id": "b",
            "CallbackSucceededDetails": {"Result": {"Payload": "true", "Truncated": False}},
        },
        {
            "EventTimestamp": 20,
            "EventType": "InvocationCompleted",
            "InvocationCompletedDetails": {
                "StartTimestamp": START + 20_000,
                "EndTimestamp": START + 20_000,
                "RequestId": "",
            },
        },
        {
            "EventTimestamp": 20,
            "EventType": "ExecutionSucceeded",
            "Id": "0a1b",
            "Name": "order-42",
            "ExecutionSucceededDetails": {"Result": {"Payload": "7", "Truncated": False}},
        },
    ]


# -- one event each -----------------------------------------------------------------------------------------------


def last(bench):
    return told(bench)[-1]


@pytest.mark.parametrize(
    ("kind", "status", "event"),
    [
        (T.STEP, S.FAILED, "StepFailed"),
        (T.WAIT, S.CANCELLED, "WaitCancelled"),
        (T.CALLBACK, S.FAILED, "CallbackFailed"),
        (T.CONTEXT, S.FAILED, "ContextFailed"),
        (T.CHAINED_INVOKE, S.SUCCEEDED, "ChainedInvokeSucceeded"),
        (T.CHAINED_INVOKE, S.FAILED, "ChainedInvokeFailed"),
        (T.CHAINED_INVOKE, S.TIMED_OUT, "ChainedInvokeTimedOut"),
        (T.CHAINED_INVOKE, S.STOPPED, "ChainedInvokeStopped"),
    ],
)
def test_every_end_has_its_event_with_details_of_its_name(kind, status, event):
    bench = Bench()
    bring(bench, kind, status)
    assert last(bench)["EventType"] == event
    assert f"{event}Details" in last(bench)


def test_a_poll_that_goes_on_is_told_as_a_success_with_a_next_delay():
    bench = Bench()
    bench.send(update(T.STEP, A.START), retry(seconds=3, payload="7"))
    assert last(bench)["EventType"] == "StepSucceeded"
    assert last(bench)["StepSucceededDetails"] == {
        "Result": {"Payload": "7", "Truncated": False},
        "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 3},
    }


def test_a_step_that_becomes_ready_is_not_told():
    bench = Bench()
    bring(bench, T.STEP, S.PENDING)
    before = bench.execution.history[:]
    bench.wait(10)
    assert bench.statuses() == {"op": S.READY}
    assert bench.execution.history == before


@pytest.mark.parametrize(
    ("options", "kind"), [({"timeout": 5}, "Callback.Timeout"), ({"heartbeat": 5}, "Callback.Heartbeat")]
)
def test_a_callback_that_times_out_says_which_of_its_timeouts_it_was(options, kind):
    bench = Bench()
    bench.send(callback(**options))
    bench.wait(5)
    assert last(bench)["EventType"] == "CallbackTimedOut"
    assert last(bench)["CallbackTimedOutDetails"]["Error"]["Payload"]["ErrorType"] == kind


def test_an_invoke_tells_whom_with_what():
    bench = Bench()
    options = ChainedInvokeOptions(function_name="pay:7", tenant_id="t1")
    bench.send(update(T.CHAINED_INVOKE, A.START, payload="[1]", chained_invoke_options=options))
    assert last(bench)["ChainedInvokeStartedDetails"] == {
        "FunctionName": "pay:7",
        "TenantId": "t1",
        "Input": {"Payload": "[1]", "Truncated": False},
    }


def test_no_result_is_told_as_one_without_a_payload():
    bench = Bench()
    bench.send(update(T.CONTEXT, A.START, "a"), update(T.CONTEXT, A.START, "b"))
    bench.send(update(T.CONTEXT, A.SUCCEED, "a", payload=""), update(T.CONTEXT, A.SUCCEED, "b"))
    assert [event["ContextSucceededDetails"] for event in told(bench)[-2:]] == [
        {"Result": {"Payload": "", "Truncated": False}},
        {"Result": {"Truncated": False}},
    ]


@pytest.mark.parametrize(
    ("end", "event", "details"),
    [
        (lambda one: one.stop(NOON), "ExecutionStopped", "Execution.Stopped"),
        (lambda one: one.time_out(NOON), "ExecutionTimedOut", "Execution.TimedOut"),
        (
            lambda one: one.end_invocation({"Status": "FAILED", "Error": {"ErrorType": "E"}}, NOON),
            "ExecutionFailed",
            "E",
        ),
    ],
)
def test_an_end_of_the_execution_has_its_error(end, event, details):
    bench = Bench()
    end(bench.execution)
    assert last(bench)["EventType"] == event
    assert last(bench)[f"{event}Details"]["Error"]["Payload"]["ErrorType"] == details


# -- botocore's model ---------------------------------------------------------------------------------------------


def test_botocore_would_complain():
    assert complaints({"EventType": "StepStarted", "Unknown": 1})
    assert complaints({"EventType": 1})


@pytest.mark.parametrize(
    ("kind", "status"),
    [(T.STEP, S.PENDING), (T.STEP, S.FAILED), (T.WAIT, S.STARTED), (T.CALLBACK, S.SUCCEEDED), (T.CONTEXT, S.STARTED)],
)
def test_the_records_of_an_event_are_records_of_the_service(kind, status):
    bench = Bench()
    bring(bench, kind, status)
    for record in bench.invoke()["InitialExecutionState"]["Operations"]:
        assert not complaints(record, "Operation")


def test_no_error_is_told_as_one_without_a_payload():
    bench = Bench()
    bench.send(update(T.STEP, A.START), update(T.STEP, A.FAIL))
    assert last(bench)["StepFailedDetails"]["Error"] == {"Truncated": False}


def test_an_error_without_any_text_is_told():
    bench = Bench()
    bench.send(callback())
    bench.execution.complete_callback("cb-1", bench.now, error=ErrorObject())
    assert last(bench)["CallbackFailedDetails"] == {"Error": {"Payload": {}, "Truncated": False}}
