"""What stands wrong around @durable is told by the first invocation, in doctor's words (values.md M7)."""

from __future__ import annotations

import logging

import pytest
from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.validation import validator

from powertools_durable import durable
from powertools_durable.cli.diagnosis.decorators import decorators
from powertools_durable.cli.diagnosis.finding import Level
from powertools_durable.testing import Simulator


def story(event, ctx):
    ctx.wait(5)
    return "done"


def log_metrics(function):
    metrics = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    return metrics.log_metrics(function)


def traced(function):
    return Tracer(service="orders", disabled=True).capture_lambda_handler(capture_response=True)(function)


WRONG = {
    "event_source above": lambda: event_source(durable(story), data_class=EventBridgeEvent),
    "validator above": lambda: validator(durable(story), inbound_schema={"type": "object"}),
    "tracer above": lambda: traced(durable(story)),
    "tracer above another": lambda: traced(log_metrics(durable(story))),
    "metrics below": lambda: durable(log_metrics(story)),
}
RIGHT = {
    "nothing": lambda: durable(story),
    "metrics above": lambda: log_metrics(durable(story)),
    "validator below": lambda: durable(validator(story, inbound_schema={"type": "object"})),
}


@pytest.mark.xray
@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_the_first_invocation_tells_what_doctor_finds_once_with_the_place(make, caplog):
    handler = make()
    found = [finding for finding in decorators(handler) if finding.level is not Level.OK]
    assert found
    caplog.set_level(logging.WARNING)
    run = Simulator(handler).start({}).finish()
    assert len(run.invocations) > 1
    told = [record.getMessage() for record in caplog.records if record.name == "powertools_durable.parser.order"]
    assert [text.partition(" (handler ")[0] for text in told] == [f"{one.words}; {one.advice}" for one in found]
    assert all("story at " in text and "test_first_invocation.py:" in text for text in told)


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_of_what_is_right_nothing_is_told(make, caplog):
    handler = make()
    Simulator(handler).start({}).finish()
    assert [finding.level for finding in decorators(handler)] == [Level.OK]
    assert [record for record in caplog.records if record.name == "powertools_durable.parser.order"] == []
