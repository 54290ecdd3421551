"""One invocation from event to answer: the order of work and every ending.

See docs/contributing/protocol.md#how-an-invocation-ends, #api-errors.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from powertools_durable import DurableConfig, DurableContext, Retry, durable
from powertools_durable._protocol.limits import MAX_RESPONSE_BYTES
from powertools_durable._protocol.operation import ExecutionDetails, Operation, OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.wire import to_wire
from powertools_durable.errors import (
    BackendError,
    NotADurableInvocationError,
    PayloadModelChangedError,
    RetryableSerDesError,
)
from tests.kit import ARN, S, step_record
from tests.leaks import started_threads

ORDER: list[str] = []


@dataclass
class Service:
    """Notes each call, answers by a script, then as a service that is well."""

    script: list[Any] = field(default_factory=list)
    pages: dict[str, Any] = field(default_factory=dict)
    updates: list[Any] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def checkpoint(self, arn, checkpoint_token, updates, client_token):
        ORDER.append("checkpoint")
        self.tokens.append(checkpoint_token)
        line = self.script.pop(0) if self.script else None
        if isinstance(line, BaseException):
            raise line
        self.updates += updates
        return line or CheckpointResponse(checkpoint_token=f"t{len(self.tokens)}")

    def get_execution_state(self, arn, checkpoint_token, marker, max_items):
        ORDER.append(f"page {marker}")
        self.asked.append((checkpoint_token, marker, max_items))
        page = self.pages[marker]
        if isinstance(page, BaseException):
            raise page
        return page


def event(payload: object = None, *records: Operation, marker: str | None = None, text: str | None = None) -> dict:
    execution = {
        "Id": "0a1b",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "Name": "order-42",
        "StartTimestamp": 1795512979346,
        "ExecutionDetails": {"InputPayload": json.dumps(payload) if text is None else text},
    }
    operations = [execution, *(to_wire(record) for record in records)]
    return {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "t0",
        "InitialExecutionState": {"Operations": operations, "NextMarker": marker},
    }


def error(**kind: bool) -> BackendError:
    return BackendError("refused", **kind)


@durable
def quick(payload, ctx: DurableContext):
    return ctx.step(lambda: payload, name="echo")


# -- order of work --------------------------------------------------------------------------------------------


class Noted(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def note(cls, value):
        ORDER.append("model")
        return value


def test_event_then_pages_then_payload_then_engine_then_user_code():
    ORDER.clear()

    @durable
    def handler(payload: Noted, ctx: DurableContext):
        ORDER.append(f"handler with {type(payload).__name__} and {len(ctx.state.operations)} records")
        ctx.step(lambda: ORDER.append("step"), name="s")

    service = Service(pages={"m1": StatePage(operations=(step_record(S.STARTED, id="x"),), next_marker="")})
    handler.invoke(event({"n": 1}, marker="m1"), None, backend=service)
    assert ORDER == ["page m1", "model", "handler with Noted and 2 records", "step", "checkpoint"]


def test_a_malformed_event_makes_no_call():
    ORDER.clear()
    with pytest.raises(NotADurableInvocationError, match="DurableConfig"):
        quick.invoke({"order": 1}, None, backend=Service())
    assert ORDER == []


def test_a_payload_that_does_not_fit_fails_with_no_call_no_engine_and_no_input_in_the_answer():
    ORDER.clear()

    @durable
    def handler(payload: Noted, ctx: DurableContext):
        ORDER.append("handler")

    answer = handler.invoke(event({"n": "canary"}), None, backend=Service())
    assert answer["Status"] == "FAILED"
    assert answer["Error"]["ErrorType"] == "PayloadValidationError"
    assert "canary" not in json.dumps(answer)
    assert ORDER == []


def test_row_49_a_payload_that_is_no_json_fails_once_and_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    answer = quick.invoke(event(text="{canary"), None, backend=Service())
    assert answer["Error"]["ErrorType"] == "PayloadValidationError"
    assert "canary" not in json.dumps(answer) + caplog.text


def test_a_payload_that_no_longer_fits_keeps_the_running_execution(caplog):
    @durable
    def handler(payload: Noted, ctx: DurableContext):
        raise AssertionError

    running = event({"n": "x"}, step_record(S.STARTED))
    with pytest.raises(PayloadModelChangedError):
        handler.invoke(running, None, backend=Service())
    assert "no longer fits" in caplog.text


def test_unless_the_deployment_prefers_to_fail_it():
    @durable(config=DurableConfig(on_model_change="fail"))
    def handler(payload: Noted, ctx: DurableContext):
        raise AssertionError

    answer = handler.invoke(event({"n": "x"}, step_record(S.STARTED)), None, backend=Service())
    assert (answer["Status"], answer["Error"]["ErrorType"]) == ("FAILED", "PayloadValidationError")


def test_row_41_the_execution_record_may_come_on_the_last_page():
    raw = event({"a": 1})
    execution = raw["InitialExecutionState"]["Operations"].pop()
    raw["InitialExecutionState"]["NextMarker"] = "m"
    record = Operation(
        id=execution["Id"],
        type=OperationType.EXECUTION,
        status=S.STARTED,
        execution_details=ExecutionDetails(input_payload='{"a": 1}'),
    )
    answer = quick.invoke(raw, None, backend=Service(pages={"m": StatePage(operations=(record,))}))
    assert json.loads(answer["Result"]) == {"a": 1}


def test_all_pages_are_asked_for_a_thousand_at_a_time_with_the_event_s_token():
    service = Service(pages={"a": StatePage(operations=(), next_marker="b"), "b": StatePage(next_marker=None)})
    quick.invoke(event({}, marker="a"), None, backend=service)
    assert service.asked == [("t0", "a", 1000), ("t0", "b", 1000)]


# -- endings --------------------------------------------------------------------------------------------------


def test_a_result_is_plain_json_text():
    assert quick.invoke(event([1, None]), None, backend=Service()) == {"Status": "SUCCEEDED", "Result": "[1, null]"}


def test_an_exception_of_the_handler_is_failed_with_its_type_and_words():
    @durable
    def handler(payload, ctx):
        raise LookupError("no such order")

    answer = handler.invoke(event(), None, backend=Service())
    place = answer["Error"].pop("StackTrace")
    assert answer == {"Status": "FAILED", "Error": {"ErrorType": "LookupError", "ErrorMessage": "no such order"}}
    assert [line.partition(":")[0] for line in place] == ["test_invocation.py"]


def test_a_result_that_is_no_json_is_failed():
    @durable
    def handler(payload, ctx):
        return object()

    answer = handler.invoke(event(), None, backend=Service())
    assert (answer["Status"], answer["Error"]["ErrorType"]) == ("FAILED", "SerDesError")


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize("where", ["checkpoint", "page"])
def test_rows_14_to_22_a_fault_of_the_service_is_raised_if_it_may_heal_and_failed_if_not(retryable, where):
    fault = error(retryable=retryable, stale_token=retryable)
    service = Service(script=[fault], pages={"m": fault})
    raw = event({}, marker="m" if where == "page" else None)
    if retryable:
        with pytest.raises(BackendError):
            quick.invoke(raw, None, backend=service)
    else:
        assert quick.invoke(raw, None, backend=service)["Error"]["ErrorType"] == "BackendError"


@pytest.mark.parametrize("retryable", [True, False])
def test_a_fault_of_the_service_passes_through_no_except_of_the_user(retryable):
    caught = []

    @durable
    def handler(payload, ctx):
        def child(inner):
            try:
                inner.step(lambda: 1)
            except Exception as seen:  # noqa: BLE001
                caught.append(seen)
            return "hidden"

        ctx.run_in_child_context(child)
        return "hidden"

    service = Service(script=[error(retryable=retryable, stale_token=True)])
    if retryable:
        with pytest.raises(BackendError):
            handler.invoke(event(), None, backend=service)
    else:
        assert handler.invoke(event(), None, backend=service)["Status"] == "FAILED"
    assert caught == []
    assert len(service.tokens) == 1  # row 22: not one call after it


def test_a_swallowed_fault_still_decides_how_the_invocation_ends():
    @durable
    def handler(payload, ctx):
        try:
            ctx.step(lambda: 1)
        except BaseException:  # noqa: BLE001
            pass
        return "hidden"

    with pytest.raises(BackendError):
        handler.invoke(event(), None, backend=Service(script=[error(retryable=True, stale_token=True)]))


def test_row_24_without_a_token_the_answer_is_pending_whatever_the_handler_does():
    @durable
    def handler(payload, ctx):
        try:
            ctx.step(lambda: 1)
        except BaseException:  # noqa: BLE001
            pass
        raise ValueError

    service = Service(script=[CheckpointResponse()])
    assert handler.invoke(event(), None, backend=service) == {"Status": "PENDING"}
    assert len(service.tokens) == 1


def test_row_27_what_batch_mode_still_owes_is_acknowledged_before_succeeded():
    @durable
    def handler(payload, ctx):
        ctx.enable_batch_mode()
        return ctx.step(lambda: 1, name="owed")

    service = Service()
    assert handler.invoke(event(), None, backend=service)["Status"] == "SUCCEEDED"
    assert [update.action.value for update in service.updates] == ["START", "SUCCEED"]
    with pytest.raises(BackendError):
        handler.invoke(event(), None, backend=Service(script=[error(retryable=True, stale_token=True)]))


def test_a_serdes_that_asks_for_another_invocation_gets_one():
    class Away:
        def serialize(self, value, context):
            raise RetryableSerDesError("the storage is away")

        def deserialize(self, text, context):
            raise NotImplementedError

    @durable
    def handler(payload, ctx):
        return ctx.step(lambda: 1, serdes=Away(), retry=Retry.none())

    with pytest.raises(RetryableSerDesError):
        handler.invoke(event(), None, backend=Service())


# -- results that do not fit the answer: docs/contributing/protocol.md#handler-result ------------------------------


def returning(value):
    @durable
    def handler(payload, ctx):
        return value

    return handler


@pytest.mark.parametrize(
    ("value", "checkpointed"),
    [
        ("x" * (MAX_RESPONSE_BYTES - 2), False),
        ("x" * (MAX_RESPONSE_BYTES - 1), True),
    ],
    ids=["just fits", "one byte more"],
)
def test_a_result_past_the_limit_is_checkpointed_first(value, checkpointed):
    service = Service()
    answer = returning(value).invoke(event(), None, backend=service)
    assert answer["Status"] == "SUCCEEDED"
    assert (answer["Result"] == "") is checkpointed
    assert [update.type.value for update in service.updates] == (["EXECUTION"] if checkpointed else [])
    if checkpointed:
        update = service.updates[0]
        assert update.id.startswith("execution-result-")
        assert (update.payload, update.name, update.parent_id) == (json.dumps(value), None, None)


def test_the_limit_is_one_of_bytes_not_of_characters():
    class Text(BaseModel):
        text: str

    @durable
    def handler(payload, ctx) -> Text:
        return Text(text="é" * (MAX_RESPONSE_BYTES // 2))

    service = Service()
    assert handler.invoke(event(), None, backend=service)["Result"] == ""
    assert len(service.updates) == 1


@pytest.mark.parametrize("retryable", [True, False])
def test_row_28_a_large_result_that_is_not_acknowledged_is_no_success(retryable):
    handler = returning("x" * MAX_RESPONSE_BYTES)
    service = Service(script=[error(retryable=retryable, stale_token=retryable)])
    if retryable:
        with pytest.raises(BackendError):
            handler.invoke(event(), None, backend=service)
    else:
        assert handler.invoke(event(), None, backend=service)["Status"] == "FAILED"


# -- threads --------------------------------------------------------------------------------------------------


def test_an_invocation_that_only_replays_starts_no_thread():
    done = step_record(S.SUCCEEDED, attempt=1, result="1", name="echo")
    with started_threads() as started:
        quick.invoke(event({}, done), None, backend=Service())
    assert started.names == []


def test_no_plain_handler_starts_more_than_one_thread_and_none_survives():
    @durable
    def handler(payload, ctx):
        for n in range(20):
            ctx.step(lambda: 1, name=f"s{n}")
        return ctx.run_in_child_context(lambda child: child.step(lambda: 2))

    with started_threads() as started:
        handler.invoke(event(), None, backend=Service())
    assert (started.names, started.alive) == (["powertools-durable-checkpointer"], [])


def test_handler_and_bodies_run_on_the_thread_that_lambda_called():
    threads = set()

    @durable
    def handler(payload, ctx):
        threads.add(threading.get_ident())
        ctx.step(lambda: threads.add(threading.get_ident()))
        ctx.run_in_child_context(lambda child: child.step(lambda: threads.add(threading.get_ident())))

    handler.invoke(event(), None, backend=Service())
    assert threads == {threading.get_ident()}


def test_only_a_body_with_a_timeout_runs_on_a_thread_of_its_own():
    threads = set()

    @durable
    def handler(payload, ctx):
        return ctx.step(lambda: threads.add(threading.get_ident()), timeout=30)

    assert handler.invoke(event(), None, backend=Service())["Status"] == "SUCCEEDED"
    assert threads != {threading.get_ident()}


def test_a_body_that_is_late_is_a_failed_attempt_and_its_result_is_discarded():
    go = threading.Event()

    @durable
    def handler(payload, ctx):
        return ctx.step(lambda: go.wait(60), timeout=0.05, retry=Retry.none(), name="slow")

    service = Service()
    answer = handler.invoke(event(), None, backend=service)
    go.set()
    assert answer["Error"]["ErrorType"] == "StepTimeoutError"
    assert [update.action.value for update in service.updates] == ["START", "FAIL"]
