from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from powertools_durable._protocol.operation import (
    CallbackDetails,
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
    WaitDetails,
)
from powertools_durable._protocol.result import CheckpointResponse, InvocationResult, InvocationStatus
from powertools_durable._protocol.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    OperationAction,
    OperationUpdate,
)
from powertools_durable._protocol.wire import parse_timestamp, pascal, to_wire

MOMENT = datetime(2026, 11, 24, 9, 36, 19, 346000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "on_the_wire"),
    [
        ("id", "Id"),
        ("next_marker", "NextMarker"),
        ("x_amzn_trace_id", "XAmznTraceId"),
        ("chained_invoke_details", "ChainedInvokeDetails"),
    ],
)
def test_names_are_pascal_case_on_the_wire(name, on_the_wire):
    assert pascal(name) == on_the_wire


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795512979346, MOMENT),
        (1795512979.346, MOMENT),
        ("2026-11-24T09:36:19.346Z", MOMENT),
        ("2026-11-24T09:36:19.346+00:00", MOMENT),
        (MOMENT.astimezone(timezone(timedelta(hours=2))), MOMENT),
        (MOMENT.replace(tzinfo=None), MOMENT),
        (0, None),
        (0.0, None),
        ("", None),
        (None, None),
    ],
)
def test_a_timestamp_is_read_in_every_form_the_service_sends(value, expected):
    assert parse_timestamp(value) == expected


@pytest.mark.parametrize("value", ["soon", [], {}, 1e300, float("nan"), "2026-13-01"])
def test_what_is_no_timestamp_is_refused_without_being_shown(value):
    with pytest.raises(ValueError, match="timestamp") as caught:
        parse_timestamp(value)
    assert "soon" not in str(caught.value)


def test_an_update_is_written_without_what_it_does_not_say():
    update = OperationUpdate(
        id="a",
        type=OperationType.CALLBACK,
        action=OperationAction.START,
        sub_type="Callback",
        callback_options=CallbackOptions(timeout_seconds=60),
    )
    assert to_wire(update) == {
        "Id": "a",
        "Type": "CALLBACK",
        "Action": "START",
        "SubType": "Callback",
        "CallbackOptions": {"TimeoutSeconds": 60, "HeartbeatTimeoutSeconds": 0},
    }


def test_an_empty_payload_is_written_and_a_missing_one_is_not():
    base = {"id": "a", "type": OperationType.CONTEXT, "action": OperationAction.SUCCEED}
    assert to_wire(OperationUpdate(**base, payload=""))["Payload"] == ""
    assert "Payload" not in to_wire(OperationUpdate(**base))


def test_moments_are_written_in_milliseconds():
    record = Operation(
        id="a",
        type=OperationType.WAIT,
        status=OperationStatus.STARTED,
        wait_details=WaitDetails(scheduled_end_timestamp=MOMENT),
    )
    assert to_wire(record)["WaitDetails"] == {"ScheduledEndTimestamp": 1795512979346}


def test_trace_header_and_stack_are_written_under_the_services_names():
    assert to_wire(ChainedInvokeOptions(function_name="f", x_amzn_trace_id="t")) == {
        "FunctionName": "f",
        "XAmznTraceId": "t",
    }
    assert to_wire(InvocationResult(status=InvocationStatus.FAILED, error=ErrorObject(stack_trace=("a", "b")))) == {
        "Status": "FAILED",
        "Error": {"StackTrace": ["a", "b"]},
    }


def test_tokens_and_callback_ids_are_in_no_repr():
    details = CallbackDetails(callback_id="SECRET")
    assert "SECRET" not in repr(details)
    assert "SECRET" not in repr(CheckpointResponse(checkpoint_token="SECRET"))


def test_a_status_that_nobody_knows_yet_is_kept_as_it_is():
    status = OperationStatus("HIBERNATING")
    assert status == "HIBERNATING"
    assert not status.is_terminal
    assert to_wire(status) == "HIBERNATING"
    assert status not in list(OperationStatus)
