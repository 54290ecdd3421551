"""The two calls over real botocore and real HTTP.

See docs/contributing/protocol.md#checkpointing, #api-errors and docs/reliability.md#fault-rows, rows 12 to 26.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config

from powertools_durable import durable
from powertools_durable._protocol.operation import ErrorObject, OperationStatus, OperationType
from powertools_durable._protocol.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    ContextOptions,
    OperationAction,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from powertools_durable.backends import LambdaBackend, lambda_
from powertools_durable.errors import BackendError

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-42/0a1b"
START, SUCCEED, FAIL, RETRY = (
    OperationAction.START,
    OperationAction.SUCCEED,
    OperationAction.FAIL,
    OperationAction.RETRY,
)
T = OperationType


def update(kind, action, **fields):
    return OperationUpdate(id="op", type=kind, action=action, **fields)


def checkpoint(backend, *updates, token="t-1", client_token="c-1"):
    return backend.checkpoint(ARN, token, updates, client_token)


# -- what goes over the wire -----------------------------------------------------------------------------------

ON_THE_WIRE = [
    (update(T.STEP, START, name="charge", sub_type="Step"), {"Name": "charge", "SubType": "Step"}),
    (update(T.STEP, SUCCEED, payload='"ok"', parent_id="p"), {"Payload": '"ok"', "ParentId": "p"}),
    (
        update(T.STEP, FAIL, error=ErrorObject(error_type="E", error_message="m", error_data="d", stack_trace=("l",))),
        {"Error": {"ErrorType": "E", "ErrorMessage": "m", "ErrorData": "d", "StackTrace": ["l"]}},
    ),
    (
        update(T.STEP, RETRY, step_options=StepOptions(next_attempt_delay_seconds=5)),
        {"StepOptions": {"NextAttemptDelaySeconds": 5}},
    ),
    (update(T.WAIT, START, wait_options=WaitOptions(wait_seconds=60)), {"WaitOptions": {"WaitSeconds": 60}}),
    (
        update(T.CALLBACK, START, callback_options=CallbackOptions(timeout_seconds=9, heartbeat_timeout_seconds=3)),
        {"CallbackOptions": {"TimeoutSeconds": 9, "HeartbeatTimeoutSeconds": 3}},
    ),
    (
        update(
            T.CHAINED_INVOKE, START, chained_invoke_options=ChainedInvokeOptions(function_name="f:1", tenant_id="t")
        ),
        {"ChainedInvokeOptions": {"FunctionName": "f:1", "TenantId": "t"}},
    ),
    (
        update(T.CONTEXT, SUCCEED, payload="", context_options=ContextOptions(replay_children=True)),
        {"Payload": "", "ContextOptions": {"ReplayChildren": True}},
    ),
]


@pytest.mark.parametrize(
    ("sent", "fields"), ON_THE_WIRE, ids=lambda part: str(part.type) if hasattr(part, "type") else ""
)
def test_an_update_is_written_like_this(service, backend, sent, fields):
    service.answer(body={"CheckpointToken": "t-2", "NewExecutionState": {}})
    checkpoint(backend, sent)
    (request,) = service.requests
    assert request["method"] == "POST"
    assert request["path"].endswith(f"/durable-executions/{ARN}/checkpoint")
    assert request["body"] == {
        "CheckpointToken": "t-1",
        "ClientToken": "c-1",
        "Updates": [{"Id": "op", "Type": sent.type.value, "Action": sent.action.value, **fields}],
    }


@pytest.mark.parametrize("moment", [1767225600, 1767225600.0, "2026-01-01T00:00:00Z"])
def test_an_answer_s_records_are_read_whatever_the_form_of_their_moments(service, backend, moment):
    record = {
        "Id": "op",
        "Type": "STEP",
        "Status": "SUCCEEDED",
        "StartTimestamp": moment,
        "StepDetails": {"Attempt": 2, "Result": '"ok"'},
        "Unknown": {"x": 1},
    }
    state = {"Operations": [record], "NextMarker": ""}
    service.answer(body={"CheckpointToken": "t-2", "NewExecutionState": state, "New": True})
    answer = checkpoint(backend)
    assert answer.checkpoint_token == "t-2"
    (found,) = answer.new_execution_state.operations
    assert (found.status, found.attempts, found.result) == (OperationStatus.SUCCEEDED, 2, '"ok"')
    assert found.start_timestamp == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", [{}, {"NewExecutionState": None}, {"NewExecutionState": {"Operations": []}}])
def test_row_24_and_34_an_answer_without_token_or_state_is_an_answer(service, backend, body):
    service.answer(body=body)
    assert checkpoint(backend).checkpoint_token is None


def test_a_page_is_asked_for_by_marker(service, backend):
    service.answer(body={"Operations": [{"Id": "a", "Type": "WAIT", "Status": "STARTED"}], "NextMarker": "m-2"})
    page = backend.get_execution_state(ARN, "t-1", "m-1", 1000)
    assert ([record.id for record in page.operations], page.next_marker) == (["a"], "m-2")
    (request,) = service.requests
    assert request["path"].endswith(f"/durable-executions/{ARN}/state")
    assert request["query"] == {"CheckpointToken": ["t-1"], "Marker": ["m-1"], "MaxItems": ["1000"]}


# -- refusals --------------------------------------------------------------------------------------------------

REFUSALS = [
    # row of the matrix, status, code, message: retryable, throttled, stale
    ("14", 429, "TooManyRequestsException", "slow down", (True, True, False)),
    ("15", 400, "ThrottlingException", "slow down", (True, True, False)),
    ("16", 500, "ServiceException", "oops", (True, False, False)),
    ("16", 502, "", "", (True, False, False)),
    ("16", 503, "", "", (True, False, False)),
    ("16", 504, "", "", (True, False, False)),
    ("17", 408, "", "", (True, False, False)),
    ("18", 403, "ExpiredTokenException", "old", (True, False, False)),
    ("18", 403, "InvalidSignatureException", "skew", (True, False, False)),
    ("19", 403, "AccessDeniedException", "no", (False, False, False)),
    ("20", 502, "KMSAccessDeniedException", "no key", (False, False, False)),
    ("21", 413, "RequestTooLargeException", "big", (False, False, False)),
    ("22 and 23", 400, "InvalidParameterValueException", "Invalid checkpoint token", (True, False, True)),
    ("22 and 23", 400, "InvalidParameterValueException", "Invalid Checkpoint Token: expired", (True, False, True)),
    ("other 4xx", 400, "InvalidParameterValueException", "Invalid operation id.", (False, False, False)),
    ("other 4xx", 404, "ResourceNotFoundException", "gone", (False, False, False)),
    ("other 4xx", 410, "GoneException", "gone", (False, False, False)),
    ("73", 409, "ConflictException", "busy", (True, False, False)),
    ("73", 409, "ResourceConflictException", "an update is in progress", (True, False, False)),
    ("73", 409, "", "", (True, False, False)),
    ("73", 425, "TooEarlyException", "later", (True, False, False)),
    ("73", 425, "", "", (True, False, False)),
    ("73, code known", 409, "KMSDisabledException", "no key", (False, False, False)),
    ("73, code known", 409, "InvalidParameterValueException", "Invalid operation id.", (False, False, False)),
    ("73, code known", 425, "AccessDeniedException", "no", (False, False, False)),
    ("73, code known", 425, "TooManyRequestsException", "slow down", (True, True, False)),
]


@pytest.mark.parametrize(
    ("row", "status", "code", "message", "expected"), REFUSALS, ids=[f"row-{r[0]}-{r[1]}-{r[2]}" for r in REFUSALS]
)
@pytest.mark.parametrize("call", ["checkpoint", "get_execution_state"])
def test_a_refusal_is_sorted_by_the_table(service, backend, row, status, code, message, expected, call):
    service.answer(status, {"message": message, "Message": message}, error=code)
    with pytest.raises(BackendError) as caught:
        if call == "checkpoint":
            checkpoint(backend)
        else:
            backend.get_execution_state(ARN, "t-1", "m-1", 1000)
    error = caught.value
    assert (error.retryable, error.throttled, error.stale_token) == expected
    assert f"HTTP {status}" in str(error)


def test_a_role_without_the_permission_is_told_which_one(service, backend):
    service.answer(403, {"Message": "not authorized"}, error="AccessDeniedException")
    with pytest.raises(
        BackendError, match="needs lambda:CheckpointDurableExecution and lambda:GetDurableExecutionState"
    ):
        checkpoint(backend)


@pytest.mark.parametrize("status", [500, 429])
def test_row_14_and_16_botocore_repeats_with_the_same_tokens(service, backend, status):
    service.answer(
        status, {"message": "once"}, error="ServiceException" if status == 500 else "TooManyRequestsException"
    )
    service.answer(body={"CheckpointToken": "t-2"})
    assert checkpoint(backend).checkpoint_token == "t-2"
    first, second = service.requests
    assert first["body"] == second["body"]


def test_row_12_and_13_a_connection_that_is_reset_is_met_by_the_same_call_again(service, backend):
    service.answer(drop=True)
    service.answer(body={"CheckpointToken": "t-2"})
    assert checkpoint(backend).checkpoint_token == "t-2"
    assert len(service.requests) == 2


def test_row_26_nobody_there_may_heal(service, client):
    service.server_close()
    with pytest.raises(BackendError, match=r"no answer came \(EndpointConnectionError\)") as caught:
        checkpoint(LambdaBackend(client))
    assert caught.value.retryable


def test_an_answer_that_is_no_json_has_no_token_so_nothing_more_is_sent(service, backend):
    service.answer(raw="<html>gateway</html>")
    assert checkpoint(backend).checkpoint_token is None


def test_an_answer_of_another_shape_may_heal_and_is_not_shown(service, backend):
    service.answer(body={"CheckpointToken": "t", "NewExecutionState": {"Operations": [{"Id": {"canary": 1}}]}})
    with pytest.raises(BackendError) as caught:
        checkpoint(backend)
    assert caught.value.retryable
    assert "canary" not in str(caught.value)


def test_what_botocore_refuses_to_send_will_never_be_sent(service, backend):
    with pytest.raises(BackendError, match="botocore refused to send it") as caught:
        checkpoint(backend, update(T.WAIT, START, wait_options=WaitOptions(wait_seconds=0)))
    assert not caught.value.retryable
    assert service.requests == []


# -- nothing of the user's in words ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 500, 200])
def test_no_payload_and_no_token_is_in_an_error_or_a_line_of_ours(service, backend, caplog, status):
    service.answer(status, {"message": "no"} if status != 200 else {"NewExecutionState": 7}, error="ServiceException")
    with caplog.at_level(logging.DEBUG, logger="powertools_durable"), pytest.raises(BackendError) as caught:
        checkpoint(backend, update(T.STEP, SUCCEED, payload="canary"), token="canary-token", client_token="canary-c")
    error = caught.value
    told = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("powertools_durable")]
    assert "canary" not in told + "".join(ours)


# -- the client ------------------------------------------------------------------------------------------------


def test_our_own_client_is_one_a_process_waits_for_bounded_times_and_says_who_it_is(service, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    monkeypatch.setattr(lambda_, "_shared", [])
    service.answer(body={"CheckpointToken": "t-2"})
    first, second = LambdaBackend(), LambdaBackend()
    checkpoint(first)
    checkpoint(second)
    ((_, shared),) = lambda_._shared  # noqa: SLF001 - the promise is that there is one
    config = shared.meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 50)
    assert (config.retries["mode"], config.retries["total_max_attempts"]) == ("standard", 4)
    assert "powertools-durable/" in service.requests[0]["agent"]
    shared.close()


def test_outside_of_lambda_the_client_is_that_of_the_environment_of_each_call(service, monkeypatch):
    monkeypatch.setattr(lambda_, "_shared", [])
    backend = LambdaBackend()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/of-an-earlier-test")
    backend.warm()
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    service.answer(body={"CheckpointToken": "t-2"})
    assert checkpoint(backend).checkpoint_token == "t-2"
    lambda_._shared[0][1].close()  # noqa: SLF001 - the one that was made last


@pytest.mark.parametrize(("variables", "made"), [({"AWS_LAMBDA_FUNCTION_NAME": "f"}, True), ({}, False)])
def test_the_client_is_made_at_decoration_in_lambda_and_later_elsewhere(variables, made):
    code = (
        "import sys; from powertools_durable import durable\n"
        "durable(lambda event, ctx: None)\n"
        "print('botocore.session' in sys.modules)"
    )
    environment = {"AWS_DEFAULT_REGION": "eu-west-1", "PATH": "", **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(made)


def test_a_whole_invocation_over_http(service, client):
    @durable(boto3_client=client)
    def handler(event: dict, ctx):
        return ctx.step(lambda: event["n"] * 2, name="double")

    record = {"Id": "0a1b", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": '{"n": 4}'}}
    event = {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "t-1",
        "InitialExecutionState": {"Operations": [record], "NextMarker": ""},
    }
    service.answer(body={"CheckpointToken": "t-2", "NewExecutionState": {}})
    assert handler(event, None) == {"Status": "SUCCEEDED", "Result": "8"}
    (request,) = service.requests
    assert [(u["Type"], u["Action"]) for u in request["body"]["Updates"]] == [("STEP", "START"), ("STEP", "SUCCEED")]
    assert json.loads(request["body"]["Updates"][1]["Payload"]) == 8


def test_a_region_that_is_missing_is_told_and_will_not_heal(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(Exception, match="region"):
        boto3.client("lambda", config=Config())
