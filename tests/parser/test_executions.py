"""The parser in whole executions: what is read, when, and what a deployment that changed it does."""

from __future__ import annotations

import json
import uuid
import warnings
from typing import Annotated

import pytest
from aws_lambda_powertools.utilities.parser.envelopes import EventBridgeEnvelope
from aws_lambda_powertools.warnings import PowertoolsUserWarning
from pydantic import BaseModel, Field, TypeAdapter, field_validator

from powertools_durable import DurableConfig, durable
from powertools_durable.testing import Simulator


class Order(BaseModel):
    id: int


def waits(event, ctx):
    ctx.wait(5)
    ctx.wait(5)
    return getattr(event, "id", event)


def finished(handler, event):
    return Simulator(handler).start(event).finish()


def test_an_envelope_is_opened_at_each_invocation():
    event = {
        "version": "0",
        "id": "6a7e8feb",
        "detail-type": "Order",
        "source": "shop",
        "account": "111122223333",
        "time": "2026-11-24T07:02:59Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {"id": 1},
    }
    run = finished(durable(model=Order, envelope=EventBridgeEnvelope)(waits), event)
    assert (run.result, len(run.invocations)) == (1, 3)


def test_the_model_is_built_when_the_handler_is_decorated_and_never_again(monkeypatch):
    built = []
    plain = TypeAdapter.__init__
    monkeypatch.setattr(
        TypeAdapter, "__init__", lambda self, *args, **options: built.append(args) or plain(self, *args, **options)
    )

    @durable
    def handler(event: Annotated[list[Order], Field(min_length=1)], ctx) -> dict[str, Order]:
        ctx.wait(5)
        return {"first": event[0]}

    at_decoration = len(built)
    run = finished(handler, [{"id": 1}])
    assert run.result == {"first": {"id": 1}}
    assert (len(built) - at_decoration, at_decoration >= 2) == (0, True)


class Deployed(BaseModel):
    """A model that a deployment makes stricter, and another one mild again."""

    id: int

    @field_validator("id")
    @classmethod
    def fits(cls, value):
        if strict:
            raise ValueError("ids have ten digits now")
        return value


strict = False


def test_a_stricter_model_stops_no_running_execution_and_a_rollback_lets_it_go_on(monkeypatch, caplog):
    run = Simulator(durable(model=Deployed)(waits)).start({"id": 77})
    monkeypatch.setattr(f"{__name__}.strict", True)
    run.step()
    assert run.status == "RUNNING"
    assert run.invocations[-1].answer.error_type == "PayloadModelChangedError"
    assert "id (value_error)" in run.invocations[-1].answer.error_message
    (told,) = {record.getMessage() for record in caplog.records if record.name.startswith("powertools_durable")}
    assert "no longer fits the handler's model" in told
    assert "77" not in told
    assert {record.levelname for record in caplog.records if record.getMessage() == told} == {"ERROR"}

    refused = finished(durable(model=Deployed)(waits), {"id": 77})  # one that begins now
    assert (refused.status, refused.error.error_type) == ("FAILED", "PayloadValidationError")

    monkeypatch.setattr(f"{__name__}.strict", False)
    assert run.finish().result == 77


def test_a_deployment_may_want_running_executions_to_fail_instead(monkeypatch):
    handler = durable(model=Deployed, config=DurableConfig(on_model_change="fail"))(waits)
    run = Simulator(handler).start({"id": 77})
    monkeypatch.setattr(f"{__name__}.strict", True)
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "PayloadValidationError")


@pytest.mark.parametrize("by", ["option", "environment", None])
def test_offending_values_are_in_the_data_only_where_they_are_asked_for(by, monkeypatch):
    if by == "environment":
        monkeypatch.setenv("POWERTOOLS_DURABLE_VALIDATION_INPUT", "true")
    config = DurableConfig(include_validation_input=True) if by == "option" else None
    run = finished(durable(model=Order, config=config)(waits), {"id": "canary"})
    (entry,) = json.loads(run.error.error_data)["errors"]
    assert entry.get("input") == (None if by is None else '"canary"')
    assert "canary" not in run.error.error_message


def test_a_rejected_payload_costs_one_invocation_and_no_operation():
    run = finished(durable(model=Order)(waits), {"id": "x"})
    assert (run.status, len(run.invocations), run.operations) == ("FAILED", 1, [])


# -- defaults that change ----------------------------------------------------------------------------------------


def unstable():
    class Unstable(BaseModel):
        id: uuid.UUID = Field(default_factory=uuid.uuid4)

    return Unstable


def bare(model):
    def handler(event: model, ctx): ...

    return durable(handler)


def called(model):
    @durable(model=model)
    def handler(event, ctx): ...

    return handler


@pytest.mark.parametrize("form", [bare, called])
def test_a_default_that_changes_is_warned_of_once_where_the_handler_is_decorated(form):
    model = unstable()
    with pytest.warns(PowertoolsUserWarning, match=r"Unstable.id: the default is made anew at every replay") as caught:
        form(model)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        form(model)


def test_it_does_change_and_what_the_context_makes_does_not():
    model, seen = unstable(), []
    with pytest.warns(PowertoolsUserWarning):

        @durable(model=model)
        def handler(event, ctx):
            seen.append((event.id, ctx.uuid4()))
            ctx.wait(5)

    finished(handler, {})
    (first, made), (second, again) = seen
    assert first != second
    assert made == again
