"""Metrics of the engine itself: each row of docs/powertools/metrics.md#metrics-of-the-engine."""

from __future__ import annotations

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.metrics.provider.datadog import DatadogMetrics
from aws_lambda_powertools.warnings import PowertoolsUserWarning
from pydantic import BaseModel

from powertools_durable import DurableConfig, Polling, Retry, StepError, StepSemantics, durable
from powertools_durable._service.host import Host
from powertools_durable.errors import DurableConfigError
from powertools_durable.testing import Simulator, spend

ON = DurableConfig(engine_metrics=True)


@pytest.fixture
def metrics():
    made = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    yield made
    made.clear_metrics()


def told_by(run):
    """What each invocation told of the engine: one blob each."""
    blobs = [[blob for blob in one.metrics if "DurableInvocation" in blob] for one in run.invocations]
    assert all(len(found) == 1 for found in blobs)
    return [found[0] for found in blobs]


def numbers(blob):
    return {name: value[0] for name, value in blob.items() if name.startswith("Durable")}


def test_off_unless_asked_for(metrics):
    run = Simulator(durable(metrics=metrics)(lambda event, ctx: None)).start()
    assert run.invocations[0].metrics == []


def test_the_environment_may_ask_too(metrics, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_METRICS", "true")
    run = Simulator(durable(metrics=metrics)(lambda event, ctx: None)).start()
    assert numbers(told_by(run)[0])["DurableInvocation"] == 1


def test_an_execution_over_two_invocations(metrics):
    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.step(lambda: 2, name="two")
        ctx.wait(5)
        ctx.step(lambda: 3, name="three")

    first, second = map(numbers, told_by(Simulator(handler).start().finish()))
    assert {name: value for name, value in first.items() if name != "DurableCheckpointLatency"} == {
        "DurableInvocation": 1,
        "DurableSuspended": 1,
    }
    durations = {"DurableCheckpointLatency", "DurableReplayDuration"}
    assert {name: value for name, value in second.items() if name not in durations} == {
        "DurableInvocation": 1,
        "DurableExecutionSucceeded": 1,
        "DurableReplayedOperations": 3,
    }
    assert second["DurableReplayDuration"] >= 0


def test_the_blob_is_its_own_with_namespace_and_two_dimensions_and_the_arn_as_metadata(metrics):
    @metrics.log_metrics
    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        metrics.add_dimension(name="shop", value="london")
        metrics.add_metric(name="Orders", unit="Count", value=1)

    run = Simulator(handler).start()
    (blob,) = told_by(run)
    (directive,) = blob["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Shop"
    assert [sorted(dimensions) for dimensions in directive["Dimensions"]] == [["function_name", "service"]]
    assert (blob["service"], blob["function_name"], blob["executionArn"]) == ("orders", "simulated", run.arn)
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units.pop("DurableCheckpointLatency", "Milliseconds") == "Milliseconds"
    assert set(units.values()) == {"Count"}
    (own,) = [found for found in run.invocations[0].metrics if "Orders" in found]
    assert not [name for name in own if name.startswith("Durable")]
    assert own["shop"] == "london"


def test_each_duration_is_in_milliseconds(metrics):
    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        ctx.step(lambda: 1)
        ctx.wait(5)

    last = told_by(Simulator(handler).start().finish())[-1]
    units = {metric["Name"]: metric["Unit"] for metric in last["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units["DurableReplayDuration"] == "Milliseconds"
    assert units["DurableReplayedOperations"] == "Count"


def test_the_latency_of_checkpoints_is_the_average_of_an_invocation(metrics, monkeypatch):
    checkpoint = Host.checkpoint

    def slow(*args):
        spend(2)
        return checkpoint(*args)

    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        for _ in range(3):
            ctx.step(lambda: 1, semantics=StepSemantics.AT_MOST_ONCE)
        ctx.wait(5)

    monkeypatch.setattr(Host, "checkpoint", slow)
    assert numbers(told_by(Simulator(handler).start())[0])["DurableCheckpointLatency"] == 2000


@pytest.mark.parametrize("semantics", StepSemantics)
def test_attempts_that_are_tried_again_and_steps_that_failed(metrics, semantics):
    def fails():
        raise ConnectionError

    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        try:
            ctx.step(fails, retry=Retry(max_attempts=3, jitter="none"), semantics=semantics)
        except StepError:
            ctx.wait(5)
        ctx.step(lambda: 1)

    told = [numbers(blob) for blob in told_by(Simulator(handler).start().finish())]
    assert [one.get("DurableStepRetry", 0) for one in told] == [1, 1, 0, 0]
    assert [one.get("DurableStepFailed", 0) for one in told] == [0, 0, 1, 0]


def test_an_interrupted_at_most_once_step_is_a_retry_though_no_attempt_was_heard(metrics):
    crashes = []

    def dies():
        if not crashes:
            crashes.append(1)
            raise SystemExit

    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        ctx.step(dies, retry=Retry(max_attempts=3, jitter="none"), semantics=StepSemantics.AT_MOST_ONCE)

    told = [numbers(blob) for blob in told_by(Simulator(handler).start().finish())]
    assert sum(one.get("DurableStepRetry", 0) for one in told) == 1
    assert sum(one["DurableInvocation"] for one in told) == 3


def test_steps_in_branches_are_counted_too_and_polling_is_no_failure(metrics):
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) <= 4:
            raise ConnectionError

    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        ctx.map(lambda child, _: child.step(flaky, retry=Retry(max_attempts=3, jitter="none")), range(4))
        ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=Polling(lambda state: state == 3))

    told = [numbers(blob) for blob in told_by(Simulator(handler).start().finish())]
    assert sum(one.get("DurableStepRetry", 0) for one in told) == 4
    assert sum(one.get("DurableStepFailed", 0) for one in told) == 0


def test_an_execution_that_fails(metrics):
    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        raise ValueError

    assert numbers(told_by(Simulator(handler).start())[0]) == {"DurableInvocation": 1, "DurableExecutionFailed": 1}


def test_a_payload_that_is_rejected(metrics):
    class Order(BaseModel):
        id: int

    @durable(metrics=metrics, config=ON)
    def handler(order: Order, ctx): ...

    run = Simulator(handler).start({"id": "canary"})
    (blob,) = told_by(run)
    assert numbers(blob) == {"DurableInvocation": 1, "DurableExecutionFailed": 1, "DurablePayloadRejected": 1}
    assert "canary" not in str(blob)


def test_an_invocation_that_only_died_tells_of_neither_end(metrics):
    @durable(metrics=metrics, config=ON)
    def handler(event, ctx):
        ctx.step(lambda: 1)
        raise SystemExit

    first = numbers(told_by(Simulator(handler).start())[0])
    assert {name for name in first if name != "DurableCheckpointLatency"} == {"DurableInvocation"}


# -- where there is nothing to send them to --------------------------------------------------------------------


def test_without_metrics_a_warning_says_what_is_missing():
    with pytest.warns(PowertoolsUserWarning, match=r"say @durable\(metrics=metrics\)"):
        handler = durable(config=ON)(lambda event, ctx: None)
    assert Simulator(handler).start().status == "SUCCEEDED"


def test_a_developer_gets_an_error(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DEV", "1")
    with pytest.raises(DurableConfigError, match="engine_metrics is on"):
        durable(config=ON)(lambda event, ctx: None)


def test_datadog_gets_none():
    with pytest.warns(PowertoolsUserWarning, match="written for CloudWatch"):
        durable(metrics=DatadogMetrics(namespace="Shop", flush_to_log=True), config=ON)(lambda event, ctx: None)


def test_a_namespace_that_is_missing_fails_no_execution(caplog):
    metrics = Metrics(provider=AmazonCloudWatchEMFProvider(service="orders"))
    run = Simulator(durable(metrics=metrics, config=ON)(lambda event, ctx: 7)).start()
    assert run.result == 7
    assert "plugin EngineMetrics failed in on_invocation_end; it is ignored" in caplog.text
