"""What an update may carry, and how much of it.

See docs/contributing/protocol.md#statuses-and-transitions, #operation-updates, #batching, #limits.
"""

from __future__ import annotations

import json

import pytest

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import OOPS, A, Bench, S, T, callback, retry, update, wait

START_STEP = update(T.STEP, A.START)


@pytest.fixture
def bench():
    return Bench()


# -- contents and options -----------------------------------------------------------------------------------------

CONTENTS = [
    (T.STEP, A.RETRY, {"step_options": None}, "Invalid StepOptions for the given action."),
    (T.STEP, A.RETRY, {"error": OOPS, "payload": "1"}, "Cannot provide both error and payload to RETRY a STEP."),
    (T.STEP, A.FAIL, {"error": OOPS, "payload": "1"}, "Cannot provide a Payload for FAIL action."),
    (T.STEP, A.SUCCEED, {"error": OOPS, "payload": "1"}, "Cannot provide an Error for SUCCEED action."),
    (T.CONTEXT, A.FAIL, {"payload": ""}, "Cannot provide a Payload for FAIL action."),
    (T.CONTEXT, A.SUCCEED, {"error": OOPS}, "Cannot provide an Error for SUCCEED action."),
]


@pytest.mark.parametrize(("kind", "action", "fields", "words"), CONTENTS)
def test_what_does_not_go_with_an_action_is_refused(bench, kind, action, fields, words):
    bench.send(update(kind, A.START))
    assert bench.refused(update(kind, action, **fields)) == words


@pytest.mark.parametrize(
    ("action", "fields", "words"),
    [
        (A.FAIL, {"payload": "1"}, "Cannot provide a Payload for FAIL action."),
        (A.SUCCEED, {"error": OOPS}, "Cannot provide an Error for SUCCEED action."),
    ],
)
def test_what_does_not_go_with_the_end_of_the_execution_is_refused(bench, action, fields, words):
    assert bench.refused(update(T.EXECUTION, action, "execution-result-1", **fields)) == words


@pytest.mark.parametrize("payload", [None, "", "1"])
def test_a_success_has_a_payload_an_empty_one_or_none(bench, payload):
    (record,) = bench.send(START_STEP, update(T.STEP, A.SUCCEED, payload=payload))
    assert record.result == payload


@pytest.mark.parametrize("seconds", [0, -1, 31_622_401])
def test_a_timer_takes_a_second_to_366_days(bench, seconds):
    words = "A timer takes 1 to 31622400 seconds."
    bench.send(update(T.STEP, A.START, "s"))
    assert bench.refused(wait("w", seconds)) == words
    assert bench.refused(retry("s", seconds)) == words
    bench.send(wait("short", 1), wait("long", 31_622_400), retry("s", 31_622_400))


@pytest.mark.parametrize("options", [{"timeout_seconds": -1}, {"heartbeat_timeout_seconds": 100_000_000}])
def test_a_timeout_of_a_callback_takes_0_to_99_999_999_seconds(bench, options):
    bad = update(T.CALLBACK, A.START, callback_options=CallbackOptions(**options))
    assert bench.refused(bad) == "A callback's timeout takes 0 to 99999999 seconds."
    bench.send(callback("none"), callback("most", 99_999_999, 99_999_999))


def test_a_wait_says_how_long(bench):
    assert bench.refused(update(T.WAIT, A.START, wait_options=None)) == "WaitOptions are required."


def test_an_invoke_says_what(bench):
    bad = update(T.CHAINED_INVOKE, A.START, chained_invoke_options=None)
    assert bench.refused(bad) == "Update for CHAINED_INVOKE operation requires ChainedInvokeOptions."


def invoke(function_name, tenant_id=None):
    options = ChainedInvokeOptions(function_name=function_name, tenant_id=tenant_id)
    return update(T.CHAINED_INVOKE, A.START, chained_invoke_options=options)


@pytest.mark.parametrize(
    "name",
    [
        "pay",
        "pay:7",
        "pay:$LATEST",
        "123456789012:function:pay",
        "arn:aws:lambda:eu-west-1:123456789012:function:pay:live",
    ],
)
def test_a_function_is_named_in_any_form_of_lambda(bench, name):
    assert bench.send(invoke(name, "tenant/1"))[0].status is S.STARTED


@pytest.mark.parametrize("name", ["", "a b", "arn:aws:lambda:function:pay", "arn:aws:s3:::bucket", "x" * 257])
def test_a_function_that_nothing_can_be_called_is_refused(bench, name):
    assert bench.refused(invoke(name)) == f"Invalid function ARN '{name}'"


@pytest.mark.parametrize("tenant", ["", "a#b", "x" * 257])
def test_a_tenant_that_nobody_can_be_called_is_refused(bench, tenant):
    assert bench.refused(invoke("pay", tenant)) == "TenantId must be 1 to 256 characters matching [a-zA-Z0-9._:/=+-@ ]."


# -- limits -------------------------------------------------------------------------------------------------------


def test_a_request_takes_250_updates(bench):
    updates = [update(T.STEP, A.START, f"s{n}") for n in range(251)]
    assert bench.refused(*updates) == "A checkpoint takes at most 250 updates."
    assert len(bench.send(*updates[:250])) == 250


def bytes_of(updates):
    """As docs/contributing/protocol.md#batching measures a request; every update here has the same few keys."""
    wire = [{"Id": u.id, "Type": u.type, "Action": u.action, "Payload": u.payload} for u in updates]
    return len(json.dumps(wire, ensure_ascii=False).encode())


@pytest.mark.parametrize("character", ["x", '"', "\n", "\u00e9", "\U0001f600", "\x01"])
def test_a_request_of_several_updates_takes_750_kib(bench, character):
    def ends(length, more=""):
        return [update(T.STEP, A.SUCCEED, key, payload=character * length + more) for key in ("a", "b")]

    bench.send(update(T.STEP, A.START, "a"), update(T.STEP, A.START, "b"))
    one = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    fits = (750 * 1024 - bytes_of(ends(0))) // 2 // one
    left = 750 * 1024 - bytes_of(ends(fits))
    assert 0 <= left < 2 * one
    over = ends(fits, "x" * (left // 2 + 1))
    assert bench.refused(*over) == "A checkpoint of several updates takes at most 768000 bytes."
    bench.send(*ends(fits))


def test_a_request_of_one_update_is_never_too_large(bench):
    bench.send(START_STEP)
    (record,) = bench.send(update(T.STEP, A.SUCCEED, payload="x" * 1024 * 1024))
    assert len(record.result) == 1024 * 1024


@pytest.mark.parametrize("kind", [T.STEP, T.CONTEXT])
def test_a_result_takes_as_many_bytes_as_the_service_allows(kind):
    bench = Bench(max_payload_bytes=262_144)
    bench.send(update(kind, A.START))
    over = "\u00e9" * 131_072 + "x"
    words = f"{kind} output payload size must be less than or equal to 262144 bytes."
    assert bench.refused(update(kind, A.SUCCEED, payload=over)) == words
    assert bench.send(update(kind, A.SUCCEED, payload=over[:-1]))[0].status is S.SUCCEEDED


def test_a_state_that_is_polled_for_takes_no_more_than_a_result():
    bench = Bench(max_payload_bytes=10)
    words = "STEP output payload size must be less than or equal to 10 bytes."
    assert bench.refused(START_STEP, retry(payload="x" * 11)) == words


def test_the_input_of_an_invoke_takes_a_mib(bench):
    over = "x" * (1024 * 1024 + 1)
    words = "CHAINED_INVOKE input payload size must be less than or equal to 1048576 bytes."
    assert bench.refused(update(T.CHAINED_INVOKE, A.START, payload=over)) == words
    bench.send(update(T.CHAINED_INVOKE, A.START, payload=over[1:]))


@pytest.mark.parametrize("action", [A.FAIL, A.RETRY])
def test_an_error_takes_32768_characters_of_json(bench, action):
    bench.send(START_STEP)
    room = 32_768 - len(json.dumps({"ErrorMessage": ""}))
    for message in ("x" * room, "\u00e9" * (room // 6)):
        over = ErrorObject(error_message=message + "xxxxxx")
        assert bench.refused(update(T.STEP, action, error=over)) == "Error object size must be less than 32768 bytes."
    (record,) = bench.send(update(T.STEP, action, error=ErrorObject(error_message="x" * room)))
    assert len(record.error.error_message) == room


def test_the_result_of_the_execution_is_bound_by_no_limit_of_an_operation():
    bench = Bench(max_payload_bytes=10)
    bench.send(update(T.EXECUTION, A.SUCCEED, "execution-result-1", payload="x" * 100))
    assert bench.execution.header.result == "x" * 100


def test_no_refusal_shows_a_payload(bench):
    secret = "s3cret"
    carries = [
        update(T.STEP, A.SUCCEED, payload=secret),
        update(T.STEP, A.FAIL, payload=secret, error=ErrorObject(error_message=secret)),
        OperationUpdate(id="c", type=T.CALLBACK, action=A.SUCCEED, payload=secret),
        update(T.STEP, A.START, payload=secret, parent_id="nobody"),
    ]
    for bad in carries:
        with pytest.raises(ServiceRefusal) as caught:
            bench.send(bad)
        assert secret not in str(caught.value)


def test_options_of_another_action_are_checked_too(bench):
    assert bench.refused(update(T.STEP, A.START, wait_options=WaitOptions(wait_seconds=0)))
    assert bench.refused(update(T.STEP, A.START, step_options=StepOptions(next_attempt_delay_seconds=0)))
