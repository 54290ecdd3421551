"""Powertools' decorators above and below @durable: each as seen over suspensions and replays.

The table is in docs/powertools/decorator-order.md#getting-started.

What X-Ray gets of ``capture_lambda_handler`` is told by the tracer's own tests; here is that it may stand on
either side. There is no row for ``async def``: this version has no such handlers, and says so.
"""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider import cold_start
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.validation import validator
from pydantic import BaseModel

from examples.powertools.in_memory import MemoryPersistence
from powertools_durable import durable
from powertools_durable.parser import DurableEnvelope
from powertools_durable.testing import Simulator
from tests.integrations.lines import DEF_BELOW, NUMBERS

ORDER = {"id": "1", "sku": "book"}
PAYLOAD = "InitialExecutionState.Operations[0].ExecutionDetails.InputPayload | powertools_json(@)"
HAS_ID = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}


class Order(BaseModel):
    id: str
    sku: str


@pytest.fixture
def metrics():
    made = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    yield made
    made.clear_metrics()


@pytest.fixture
def logger():
    made = Logger(service=f"matrix-{next(NUMBERS)}", stream=io.StringIO())  # a name is one logger for ever
    yield made
    logging.Logger.manager.loggerDict.pop(made.name)


def story(event, ctx):
    """A step and two waits: three invocations, each of which runs this from the top."""
    ctx.step(lambda: "paid", name="pay")
    ctx.wait(5)
    ctx.wait(5)
    return type(event).__name__


def finished(handler, event=ORDER):
    return Simulator(handler).start(event).finish()


def lines(logger):
    return [json.loads(line) for line in logger.registered_handler.stream.getvalue().splitlines()]


def blobs(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def told_by(run):
    """What Lambda saw of an execution whose every invocation failed the same way."""
    (kind,) = {invocation.answer.error_type for invocation in run.invocations}
    return kind, run.invocations[0].answer.error_message


# -- logger.inject_lambda_context ------------------------------------------------------------------------------


def speaks(logger):
    def handler(event, ctx):
        logger.info("accepted")
        story(event, ctx)
        logger.info("shipped")

    return handler


@pytest.mark.parametrize("side", ["outside", pytest.param("inside", marks=DEF_BELOW)])
def test_inject_lambda_context_stamps_each_line_once_on_either_side(logger, side):
    inject = logger.inject_lambda_context(clear_state=True)
    handler = inject(durable(speaks(logger))) if side == "outside" else durable(inject(speaks(logger)))
    run = finished(handler)
    told = lines(logger)
    assert [line["message"] for line in told] == ["accepted", "shipped"]
    assert [line["function_request_id"] for line in told] == [
        run.invocations[0].request_id,
        run.invocations[2].request_id,
    ]
    assert {line["executionArn"] for line in told} == {run.arn}


def test_log_event_inside_is_the_payload_once(logger):
    finished(durable(logger.inject_lambda_context(log_event=True)(speaks(logger))))
    assert [line["message"] for line in lines(logger)] == [ORDER, "accepted", "shipped"]


def test_log_event_outside_is_no_payload_and_no_token_but_each_invocation(logger):
    run = finished(logger.inject_lambda_context(log_event=True)(durable(speaks(logger))))
    events = [line["message"] for line in lines(logger) if isinstance(line["message"], dict)]
    assert len(events) == 3
    text = logger.registered_handler.stream.getvalue()
    assert not any(invocation.event["CheckpointToken"] in text for invocation in run.invocations)
    assert "book" not in text


# -- tracer.capture_lambda_handler -----------------------------------------------------------------------------


@pytest.mark.xray
@pytest.mark.parametrize("side", ["outside", pytest.param("inside", marks=DEF_BELOW)])
def test_capture_lambda_handler_may_stand_on_either_side(side):
    tracer = Tracer(service="orders", disabled=True)
    capture = tracer.capture_lambda_handler(capture_response=False)
    handler = capture(durable(story)) if side == "outside" else durable(capture(story))
    run = finished(handler)
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "dict", 3)


# -- metrics.log_metrics ---------------------------------------------------------------------------------------


def counts(metrics):
    def handler(event, ctx):
        metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=1)
        return story(event, ctx)

    return handler


def test_log_metrics_outside_flushes_at_each_invocation_and_keeps_the_cold_start(metrics, capsys, monkeypatch):
    monkeypatch.setattr(cold_start, "is_cold_start", True)
    log = metrics.log_metrics(capture_cold_start_metric=True)
    finished(log(durable(metrics=metrics)(counts(metrics))))
    told = blobs(capsys)
    assert sum(sum(blob["Orders"]) for blob in told if "Orders" in blob) == 1
    assert sum("ColdStart" in blob for blob in told) == 1


@DEF_BELOW
def test_log_metrics_inside_flushes_at_each_suspension_and_loses_the_cold_start(metrics, capsys, monkeypatch):
    monkeypatch.setattr(cold_start, "is_cold_start", True)
    log = metrics.log_metrics(capture_cold_start_metric=True)
    run = Simulator(durable(metrics=metrics)(log(counts(metrics)))).start(ORDER)
    told = blobs(capsys)
    assert run.status == "RUNNING"
    assert [("Orders" in blob, "ColdStart" in blob) for blob in told] == [(True, False)]


# -- event_parser ----------------------------------------------------------------------------------------------


def test_event_parser_outside_takes_the_service_s_event_for_the_payload():
    kind, message = told_by(finished(event_parser(durable(story), model=Order)))
    assert kind == "ValidationError"
    assert "2 validation errors for Order" in message


def test_event_parser_outside_with_the_durable_envelope_hands_down_a_model():
    handler = event_parser(durable(story), model=Order, envelope=DurableEnvelope)
    kind, message = told_by(finished(handler))
    assert kind == "DecoratorOrderError"
    assert "handed an Order" in message
    assert "@event_parser stands above it: put @durable above it, or say @durable(model=" in message


@pytest.mark.parametrize("options", [{}, {"model": dict}])
def test_event_parser_inside_works(options):
    def handler(event: Order, ctx):
        return story(event, ctx)

    run = finished(durable(**options)(event_parser(handler, model=Order)))
    assert (run.result, len(run.invocations)) == ("Order", 3)


def test_event_parser_inside_fails_the_execution_without_a_word_of_the_input_as_model_does():
    run = finished(durable(model=dict)(event_parser(story, model=Order)), {"id": "1", "secret": "x"})
    assert run.status == "FAILED"
    assert run.error.error_message == "1 validation error for Order: sku (missing)"
    better = finished(durable(model=Order)(story), {"id": "1", "secret": "x"})
    assert better.error.error_message == run.error.error_message


# -- event_source ----------------------------------------------------------------------------------------------


def test_event_source_outside_is_seen_through_and_pointless():
    run = finished(event_source(durable(story), data_class=EventBridgeEvent))
    assert (run.result, len(run.invocations)) == ("dict", 3)


def test_event_source_inside_works():
    run = finished(durable(event_source(story, data_class=EventBridgeEvent)))
    assert (run.result, len(run.invocations)) == ("EventBridgeEvent", 3)


# -- validator -------------------------------------------------------------------------------------------------


def test_validator_outside_refuses_the_service_s_event():
    kind, message = told_by(finished(validator(durable(story), inbound_schema=HAS_ID)))
    assert kind == "SchemaValidationError"
    assert "data must contain ['id'] properties" in message


def test_validator_outside_that_digs_out_the_payload_hands_down_something_else():
    kind, message = told_by(finished(validator(durable(story), inbound_schema=HAS_ID, envelope=PAYLOAD)))
    assert kind == "NotADurableInvocationError"
    assert "@validator stands above @durable" in message
    assert "put @durable above it" in message


def test_validator_outside_takes_the_service_s_answer_for_the_result():
    kind, message = told_by(finished(validator(durable(story), outbound_schema={"type": "string"})))
    assert kind == "SchemaValidationError"
    assert "data must be string" in message


@DEF_BELOW
def test_validator_inside_works_and_judges_only_the_final_result():
    run = finished(durable(validator(story, inbound_schema=HAS_ID, outbound_schema={"type": "string"})))
    assert (run.result, len(run.invocations)) == ("dict", 3)
    run = finished(durable(validator(story, outbound_schema={"type": "integer"})))
    assert (run.status, len(run.invocations)) == ("FAILED", 3)
    assert run.error.error_type.endswith("SchemaValidationError")


@DEF_BELOW
def test_validator_inside_fails_the_execution_for_a_bad_payload():
    run = finished(durable(validator(story, inbound_schema=HAS_ID)), {"sku": "book"})
    assert (run.status, len(run.invocations)) == ("FAILED", 1)
    assert run.error.error_type.endswith("SchemaValidationError")


# -- idempotent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", PAYLOAD], ids=["whole event", "payload"])
def test_idempotent_outside_is_refused_before_anything_is_recorded(key, metrics):
    store = MemoryPersistence()
    below = metrics.log_metrics(durable(story))  # seen through what stands between
    handler = idempotent(below, persistence_store=store, config=IdempotencyConfig(event_key_jmespath=key))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no metrics
        run = finished(handler)
    kind, message = told_by(run)
    assert kind == "DecoratorOrderError"
    assert "@idempotent stands above @durable" in message
    assert "Put it below @durable" in message
    assert (run.operations, store.records) == ([], {})


@DEF_BELOW
def test_idempotent_inside_works():
    store, paid = MemoryPersistence(), []

    def pays(event, ctx):
        ctx.step(lambda: paid.append(event["id"]), name="pay")
        ctx.wait(5)
        return "receipt"

    handler = durable(idempotent(pays, persistence_store=store))
    assert [finished(handler).result, finished(handler).result] == ["receipt", "receipt"]
    assert paid == ["1"]


# -- middlewares of one's own ----------------------------------------------------------------------------------


def watching(told):
    @lambda_handler_decorator
    def watch(handler, event, context, label="m"):
        told.append(f"before {label}")
        answer = handler(event, context)
        told.append(f"after {label}")
        return answer

    return watch


def test_a_middleware_outside_runs_around_each_invocation():
    told = []
    run = finished(watching(told)(durable(story), label="order"))
    assert (run.result, told) == ("dict", ["before order", "after order"] * 3)


@DEF_BELOW
def test_a_middleware_inside_begins_at_each_replay_and_ends_only_with_the_execution():
    told = []
    run = finished(durable(watching(told)(story)))
    assert (run.result, told) == ("dict", ["before m", "before m", "before m", "after m"])


def test_what_a_middleware_outside_hands_down_reaches_the_handler():
    @lambda_handler_decorator
    def adds(handler, event, context):
        return handler(event, context, tenant="acme")

    @adds
    @durable
    def handler(event, ctx, tenant=None):
        ctx.wait(5)
        return tenant

    assert finished(handler).result == "acme"


# -- anything with an async handler ----------------------------------------------------------------------------


@pytest.mark.only("async", "a 'def' handler has ended when the decorator below @durable ends")
def test_below_durable_a_decorator_around_an_async_handler_is_warned_of_once(logger, metrics, caplog):
    @durable
    @event_source(data_class=EventBridgeEvent)
    @logger.inject_lambda_context
    def handler(event, ctx):
        ctx.wait(5)
        ctx.wait(5)

    assert len(finished(handler).invocations) == 3
    words = "@logger.inject_lambda_context stands below @durable around an 'async def' handler"
    assert [words in record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [True]


# -- all at once -----------------------------------------------------------------------------------------------


@pytest.mark.xray
def test_the_recommended_stack_works_as_a_whole(logger, metrics, capsys):
    tracer = Tracer(service="orders", disabled=True)

    @logger.inject_lambda_context(clear_state=True)
    @tracer.capture_lambda_handler(capture_response=False)
    @metrics.log_metrics
    @durable(metrics=metrics, model=dict)
    @validator(inbound_schema=HAS_ID)
    @event_parser(model=Order)
    def handler(event: Order, ctx) -> str:
        logger.info("accepted")
        metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=1)
        return story(event, ctx)

    run = finished(handler)
    assert (run.result, len(run.invocations)) == ("Order", 3)
    assert [line["message"] for line in lines(logger)] == ["accepted"]
    assert sum(sum(blob["Orders"]) for blob in blobs(capsys) if "Orders" in blob) == 1


def every_supported_order(logger, metrics, kind):
    tracer = Tracer(service="orders", disabled=True)
    around = {
        "inject_lambda_context": logger.inject_lambda_context(log_event=True),
        "capture_lambda_handler": tracer.capture_lambda_handler(capture_response=False),
        "log_metrics": metrics.log_metrics,
        "middleware": watching([]),
    }
    below = {
        "event_parser": event_parser(model=Order),
        "event_source": event_source(data_class=EventBridgeEvent),
        "validator": validator(inbound_schema=HAS_ID),
        "idempotent": idempotent(persistence_store=MemoryPersistence()),
    }
    for name, decorate in around.items():
        yield f"{name} outside", decorate(durable(metrics=metrics)(speaks(logger)))
    for name, decorate in (around | below).items() if kind == "def" else ():
        yield f"{name} inside", durable(metrics=metrics, model=dict)(decorate(speaks(logger)))


@pytest.mark.xray
def test_no_checkpoint_token_is_printed_or_logged_in_any_supported_order(logger, metrics, capsys, caplog, kind):
    """Above @durable, `validator` shows the event in its own error: a reason more not to put it there."""
    caplog.set_level(logging.DEBUG)
    for name, handler in every_supported_order(logger, metrics, kind):
        run = finished(handler)
        assert run.status == "SUCCEEDED", name
        told = capsys.readouterr()
        text = logger.registered_handler.stream.getvalue() + caplog.text + told.out + told.err
        tokens = [invocation.event["CheckpointToken"] for invocation in run.invocations]
        assert len(tokens) == 3
        assert [name for token in tokens if token in text] == []
