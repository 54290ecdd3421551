"""What stands wrong around @durable is told by the first invocation, in doctor's words."""

from __future__ import annotations

import io
import logging

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging import correlation_paths as originals
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.idempotency import idempotent
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.validation import validator

from examples.powertools.in_memory import MemoryPersistence
from powertools_durable import durable
from powertools_durable.cli.diagnosis.decorations import decorators
from powertools_durable.cli.diagnosis.finding import Level
from powertools_durable.integrations import correlation_paths as ours
from powertools_durable.testing import Simulator

WARNS = "powertools_durable._contexts.decorators"


def story(event, ctx):
    ctx.wait(5)
    return "done"


def log_metrics(function):
    metrics = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    return metrics.log_metrics(function)


def capturing(**options):
    return Tracer(service="orders", disabled=True).capture_lambda_handler(**options)


def injecting(**options):
    def decorate(function):
        return Logger(service="first", stream=io.StringIO()).inject_lambda_context(**options)(function)

    return decorate


@lambda_handler_decorator
def own(handler, event, context):
    return handler(event, context)


DECORATORS = {
    "event_source": event_source(data_class=EventBridgeEvent),
    "event_parser": event_parser(model=dict),
    "validator": validator(inbound_schema={"type": "object"}),
    "metrics": log_metrics,
    "tracer": capturing(capture_response=False),
    "tracer that captures": capturing(capture_response=True),
    "tracer that captures by default": capturing(),
    "logger": injecting(),
    "logger with a path of its own": injecting(correlation_id_path="order.id"),
    "logger with another key": injecting(correlation_id_path="DurableExecutionArn"),
    **{f"logger with {name}": injecting(correlation_id_path=getattr(originals, name)) for name in ours.__all__},
    **{f"logger with our {name}": injecting(correlation_id_path=getattr(ours, name)) for name in ours.__all__},
    "own": own,
    "none": lambda function: function,
}
AROUND = {
    "above": lambda decorate: decorate(durable(story)),
    "above another": lambda decorate: decorate(log_metrics(durable(story))),
    "below": lambda decorate: durable(decorate(story)),
}
CASES = [
    pytest.param(around, decorate, id=f"{name} {side}")
    for name, decorate in DECORATORS.items()
    for side, around in AROUND.items()
]
ONLY_BEFORE = {"event_source below", "event_parser below", "none below"}
WRONG = {
    "event_source above",
    "event_parser above",
    "validator above",
    "tracer that captures above",
    "tracer that captures by default above",
    "metrics below",
    "logger with a path of its own above",
    *(f"logger with {name} above" for name in ours.__all__),
    *(f"logger with our {name} below" for name in ours.__all__),
}


def found_in(handler):
    return {f"{one.message}; {one.advice}" for one in decorators(handler) if one.level is not Level.OK}


@pytest.mark.xray
@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize(("around", "decorate"), CASES)
def test_the_first_invocation_says_what_doctor_finds_once_with_the_place(around, decorate, caplog, request, kind):
    handler = around(decorate)
    found = found_in(handler)
    case = request.node.callspec.id.replace(" another", "")
    ends_early = kind == "async" and case.endswith(" below") and case not in ONLY_BEFORE
    assert bool(found) is (case in WRONG or ends_early)
    if ends_early:  # what it does at its end may fail here: test_decorator_order.py has what an invocation says
        return
    caplog.set_level(logging.WARNING)
    run = Simulator(handler).start({"id": "1"}).finish()
    assert len(run.invocations) > 1 or "JMESPathTypeError" in run.error.error_type
    lines = [record.getMessage() for record in caplog.records if record.name == WARNS]
    assert len(lines) == len(found)
    assert {text.partition(" (handler ")[0] for text in lines} == found
    assert all("story at " in text and "test_first_invocation.py:" in text for text in lines)


def test_idempotent_is_an_error_of_both(caplog):
    handler = idempotent(persistence_store=MemoryPersistence())(durable(story))
    assert len(found_in(handler)) == 1
    run = Simulator(handler).start({"id": "1"}).finish()
    assert {one.answer.error_type for one in run.invocations} == {"DecoratorOrderError"}


@pytest.mark.xray
def test_what_a_tracer_captures_above_is_the_answer_of_each_suspension(xray_segments):
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    run = Simulator(tracer.capture_lambda_handler()(durable(story))).start({"id": "1"}).finish()
    assert run.result == "done"
    captured = [
        value["Status"]
        for one in xray_segments.documents
        for key, value in one.get("metadata", {}).get("orders", {}).items()
        if key == "story response"
    ]
    assert captured == ["PENDING", "SUCCEEDED"]
