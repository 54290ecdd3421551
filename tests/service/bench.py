"""One execution with its clock and its newest token, and short words for what is sent to it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._protocol.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    OperationAction,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.update_validation import ServiceRefusal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-42/0a1b"
OOPS = ErrorObject(error_type="ValueError", error_message="oops")
MODEL = get_session().get_service_model("lambda")
A, S, T = OperationAction, OperationStatus, OperationType

OPTIONS = {
    (T.WAIT, A.START): {"wait_options": WaitOptions(wait_seconds=10)},
    (T.CHAINED_INVOKE, A.START): {"chained_invoke_options": ChainedInvokeOptions(function_name="pay")},
    (T.STEP, A.RETRY): {"step_options": StepOptions(next_attempt_delay_seconds=10)},
}


class Counted:
    """Tokens and callback ids that a reader can follow."""

    def __init__(self) -> None:
        self._tokens, self._callbacks = count(1), count(1)

    def token(self) -> str:
        return f"{next(self._tokens):08d}token"

    def callback_id(self) -> str:
        return f"cb-{next(self._callbacks)}"


def update(kind: OperationType, action: OperationAction, key: str = "op", **fields: Any) -> OperationUpdate:
    """An update with the options that its action can't do without."""
    return OperationUpdate(id=key, type=kind, action=action, **{**OPTIONS.get((kind, action), {}), **fields})


def callback(key: str = "op", timeout: int = 0, heartbeat: int = 0) -> OperationUpdate:
    options = CallbackOptions(timeout_seconds=timeout, heartbeat_timeout_seconds=heartbeat)
    return update(T.CALLBACK, A.START, key, callback_options=options)


def wait(key: str = "op", seconds: int = 10) -> OperationUpdate:
    return update(T.WAIT, A.START, key, wait_options=WaitOptions(wait_seconds=seconds))


def retry(key: str = "op", seconds: int = 10, **fields: Any) -> OperationUpdate:
    return update(T.STEP, A.RETRY, key, step_options=StepOptions(next_attempt_delay_seconds=seconds), **fields)


class Bench:
    """An execution whose handler runs. Every call takes place at `now`."""

    def __init__(self, payload: str | None = "{}", **limits: int) -> None:
        self.now = NOON
        self.execution = ServiceExecution.start(ARN, "order-42", payload, NOON, Counted(), **limits)
        self.token = ""
        self.invoke()

    def invoke(self) -> dict[str, Any]:
        event = self.execution.begin_invocation(self.now)
        self.token = event["CheckpointToken"]
        return event

    def send(self, *updates: OperationUpdate, client_token: str = "") -> list[Operation]:
        """Checkpoint, keep the new token, and return the records of the response."""
        response = self.execution.checkpoint(self.token, updates, client_token, self.now)
        self.token = response.checkpoint_token or ""
        return list(response.new_execution_state.operations)

    def answer(self, answer: object) -> None:
        self.execution.end_invocation(answer, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, with the timers that come due meanwhile."""
        self.now += timedelta(seconds=seconds)
        self.execution.advance(self.now)

    def statuses(self) -> dict[str, OperationStatus]:
        records = self.execution.operations.values()
        return {record.id: record.status for record in records if record.type is not T.EXECUTION}

    def everything(self) -> Any:
        """All there is to know of the execution, to compare it with itself later."""
        one = self.execution
        return asdict(one.header), dict(one.operations), dict(one.changed), list(one.events), list(one.history)

    def refused(self, *updates: OperationUpdate) -> str:
        """The words of a refusal, which has changed nothing and has not used up the token."""
        before = self.everything()
        with pytest.raises(ServiceRefusal) as caught:
            self.execution.checkpoint(self.token, updates, "", self.now)
        assert (caught.value.code, caught.value.status) == ("InvalidParameterValueException", 400)
        assert self.everything() == before
        self.send()
        return str(caught.value).partition(" (")[0]


WAYS = {
    # what is sent, or how many seconds pass, after the START
    (T.STEP, S.PENDING): [A.RETRY],
    (T.STEP, S.READY): [A.RETRY, 10],
    (T.STEP, S.SUCCEEDED): [A.SUCCEED],
    (T.STEP, S.FAILED): [A.FAIL],
    (T.WAIT, S.SUCCEEDED): [10],
    (T.WAIT, S.CANCELLED): [A.CANCEL],
    (T.CONTEXT, S.SUCCEEDED): [A.SUCCEED],
    (T.CONTEXT, S.FAILED): [A.FAIL],
}


def bring(bench: Bench, kind: OperationType, status: OperationStatus | None, key: str = "op") -> None:
    """Bring a fresh operation to *status* the way it gets there in life."""
    if status is None:
        return
    (record,) = bench.send(update(kind, A.START, key))
    for way in WAYS.get((kind, status), ()):
        bench.wait(way) if isinstance(way, int) else bench.send(update(kind, way, key))
    if kind is T.CALLBACK and status is not S.STARTED:
        error = OOPS if status is S.FAILED else None
        bench.execution.complete_callback(record.callback_details.callback_id, bench.now, error=error)
    if kind is T.CHAINED_INVOKE and status is not S.STARTED:
        bench.execution.complete_invoke(key, status, bench.now, result=None, error=None)
    assert bench.execution.operations[key].status is status


def complaints(event, shape="Event"):
    """What botocore's own model of the service has against it: unknown names, wrong types, missing members."""
    return ParamValidator().validate(as_parsed(event), MODEL.shape_for(shape)).generate_report()


def as_parsed(part):
    """With moments as boto3 gives them."""
    if not isinstance(part, dict):
        return part
    moments = {
        key: datetime.fromtimestamp(value / 1000, UTC) for key, value in part.items() if key.endswith("Timestamp")
    }
    return {key: as_parsed(value) for key, value in part.items()} | moments
