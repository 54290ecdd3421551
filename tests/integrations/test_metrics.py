"""Powertools metrics in a durable execution: powertools.md 5.1."""

from __future__ import annotations

import json
import warnings

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, SchemaValidationError
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.metrics.provider.datadog import DatadogMetrics

from powertools_durable import Retry, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations import ReplaySafeProvider
from powertools_durable.testing import Simulator


@pytest.fixture
def metrics():
    made = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    yield made
    made.clear_metrics()


def count(metrics, name="Orders"):
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)


def blobs(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def total(told, name="Orders"):
    return sum(sum(blob[name]) for blob in told if name in blob)


def test_a_metric_before_two_waits_is_counted_once(metrics, capsys):
    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(metrics)
        ctx.wait(5)
        ctx.wait(5)
        count(metrics, "Shipped")

    Simulator(handler).start().finish()
    told = blobs(capsys)
    assert (total(told), total(told, "Shipped")) == (1, 1)


def test_log_metrics_with_options_above_is_quiet_on_replays(metrics, capsys):
    @metrics.log_metrics(raise_on_empty_metrics=True, capture_cold_start_metric=False)
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(metrics)
        ctx.wait(5)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = Simulator(handler).start().finish()
    assert (run.status, total(blobs(capsys))) == ("SUCCEEDED", 1)


def test_an_empty_first_invocation_is_still_told(metrics):
    @metrics.log_metrics(raise_on_empty_metrics=True)
    @durable(metrics=metrics)
    def handler(event, ctx): ...

    run = Simulator(handler).start()
    assert isinstance(run.invocations[0].answer, object)
    assert run.invocations[0].answer.error_type == SchemaValidationError.__name__


def test_a_metric_in_a_step_is_counted_for_each_attempt(metrics, capsys):
    attempts = []

    def flaky():
        attempts.append(1)
        count(metrics, "Tries")
        if len(attempts) < 3:
            raise ConnectionError

    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        ctx.step(flaky, retry=Retry(max_attempts=3))
        count(metrics)

    Simulator(handler).start().finish()
    told = blobs(capsys)
    assert (total(told, "Tries"), total(told)) == (3, 1)


def test_the_provider_may_be_given_by_hand(capsys):
    metrics = Metrics(provider=ReplaySafeProvider(namespace="Shop", service="orders"))

    @metrics.log_metrics
    @durable
    def handler(event, ctx):
        count(metrics)
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert total(blobs(capsys)) == 1
    metrics.clear_metrics()


def test_datadog_s_provider_is_made_safe_too(capsys):
    metrics = DatadogMetrics(namespace="Shop", flush_to_log=True)

    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        metrics.add_metric(name="orders", value=1)
        ctx.wait(5)
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert sum("orders" in line for line in capsys.readouterr().out.splitlines()) == 1


def test_metrics_outside_an_execution_are_counted_as_ever(metrics, capsys):
    durable(metrics=metrics)(lambda event, ctx: None)
    for _ in range(2):
        count(metrics)
        metrics.flush_metrics()
    assert total(blobs(capsys)) == 2


def test_decorating_twice_wraps_once(metrics):
    durable(metrics=metrics)(lambda event, ctx: None)
    first = metrics.provider.add_metric
    durable(metrics=metrics)(lambda event, ctx: None)
    assert metrics.provider.add_metric == first


def test_what_is_no_metrics_is_refused():
    with pytest.raises(DurableConfigError, match="takes a Metrics of Powertools, not a int"):
        durable(metrics=42)(lambda event, ctx: None)
