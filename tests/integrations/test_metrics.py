"""Powertools metrics in a durable execution: docs/powertools/metrics.md."""

from __future__ import annotations

import json
import sys
import warnings

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.metrics.provider import cold_start
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.metrics.provider.datadog import DatadogMetrics

from powertools_durable import Retry, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations import ReplaySafeProvider
from powertools_durable.testing import Simulator, reset
from tests.integrations.lines import DEF_BELOW


@pytest.fixture
def metrics():
    made = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    yield made
    made.clear_metrics()


@pytest.fixture
def impatient():
    """Threads that interrupt each other all the time."""
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(patience)


def count(metrics, name="Orders"):
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)


def blobs(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def total(told, name="Orders"):
    return sum(sum(blob[name]) for blob in told if name in blob)


# -- 1, 1, 1 ---------------------------------------------------------------------------------------------------


def in_the_handler(metrics, ctx):
    count(metrics)
    ctx.wait(5)
    ctx.wait(5)


def in_a_step(metrics, ctx):
    ctx.step(lambda: count(metrics))
    ctx.wait(5)
    ctx.wait(5)


def behind_the_waits(metrics, ctx):
    ctx.wait(5)
    ctx.wait(5)
    count(metrics)


def in_a_branch(metrics, ctx):
    def branch(child):
        count(metrics)
        child.wait(5)

    ctx.parallel([branch])
    ctx.wait(5)


def in_a_large_child(metrics, ctx):
    def child(inner):
        inner.step(lambda: 1)
        count(metrics)
        return "x" * 300_000

    ctx.run_in_child_context(child)
    ctx.wait(5)
    ctx.wait(5)


def in_finally(metrics, ctx):
    try:
        ctx.wait(5)
        ctx.wait(5)
    finally:
        count(metrics)


PLACES = [in_the_handler, in_a_step, behind_the_waits, in_a_branch, in_a_large_child, in_finally]


@pytest.mark.parametrize("where", ["outside", pytest.param("inside", marks=DEF_BELOW)])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_metric_is_counted_once_wherever_it_stands(place, where, metrics, capsys):
    def body(event, ctx):
        place(metrics, ctx)

    decorated = durable(metrics=metrics)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handler = metrics.log_metrics(decorated(body)) if where == "outside" else decorated(metrics.log_metrics(body))
        run = Simulator(handler).start().finish()
    assert (run.status, len(run.invocations)) == ("SUCCEEDED", 3)
    assert total(blobs(capsys)) == 1


@pytest.mark.parametrize("where", ["outside", pytest.param("inside", marks=DEF_BELOW)])
def test_without_us_it_is_counted_for_each_invocation(where, metrics, capsys):
    """The table's other column: the test above is able to fail."""

    def body(event, ctx):
        in_the_handler(metrics, ctx)

    Simulator(
        metrics.log_metrics(durable(body)) if where == "outside" else durable(metrics.log_metrics(body))
    ).start().finish()
    assert total(blobs(capsys)) == 3


def test_another_module_s_metrics_that_share_the_set_are_safe_with_it(capsys):
    """Instances without a provider of their own share their metrics: a customer has one in each module."""
    mine, elsewhere = Metrics(namespace="Shop", service="orders"), Metrics(namespace="Shop", service="orders")

    @mine.log_metrics
    @durable(metrics=mine)
    def handler(event, ctx):
        count(elsewhere, "Elsewhere")
        count(mine)
        ctx.wait(5)
        ctx.wait(5)

    Simulator(handler).start().finish()
    told = blobs(capsys)
    assert (total(told), total(told, "Elsewhere")) == (1, 1)


def test_metrics_of_another_set_are_left_alone(metrics, capsys):
    other = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Audit", service="orders"))

    @metrics.log_metrics
    @other.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(other)
        ctx.wait(5)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is nothing in `metrics`
        Simulator(handler).start().finish()
    assert total(blobs(capsys)) == 2


# -- quiet replays ---------------------------------------------------------------------------------------------


def test_an_invocation_that_suspends_before_anything_is_counted_is_quiet(metrics, capsys):
    """What is counted may come later; ``raise_on_empty_metrics`` would fail the first invocation."""

    @metrics.log_metrics(raise_on_empty_metrics=True)
    @durable(metrics=metrics)
    def handler(event, ctx):
        ctx.wait(5)
        count(metrics)

    run = Simulator(handler).start().finish()
    assert (run.status, len(run.invocations), total(blobs(capsys))) == ("SUCCEEDED", 2, 1)


@DEF_BELOW
def test_with_the_decorator_inside_a_suspension_is_quiet_too(metrics, recwarn):
    """An error there would be lost on the way out of the suspension, so it is the warnings that are looked at."""
    warnings.simplefilter("always")

    @durable(metrics=metrics)
    @metrics.log_metrics
    def handler(event, ctx):
        try:
            ctx.wait(5)
        finally:
            count(metrics)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert [str(warning.message) for warning in recwarn] == []


def test_flushing_by_hand_and_at_the_end_is_quiet_both_times(metrics):
    @metrics.log_metrics(raise_on_empty_metrics=True)
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(metrics)
        metrics.flush_metrics()
        ctx.wait(5)
        metrics.flush_metrics()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Simulator(handler).start().finish().status == "SUCCEEDED"


def test_a_function_that_is_not_durable_is_still_warned(metrics):
    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(metrics)
        ctx.wait(5)

    Simulator(handler).start().finish()
    with pytest.warns(UserWarning, match="No application metrics to publish"):
        metrics.log_metrics(lambda event, context: None)(None, None)


def test_dimensions_and_metadata_are_rebuilt_by_the_replay(metrics, capsys):
    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        metrics.add_dimension(name="shop", value="london")
        metrics.add_metadata(key="order", value=7)
        ctx.wait(5)
        count(metrics)

    Simulator(handler).start().finish()
    (told,) = blobs(capsys)
    assert (told["shop"], told["order"]) == ("london", 7)


def test_the_cold_start_is_captured_above_durable(metrics, capsys, monkeypatch):
    monkeypatch.setattr(cold_start, "is_cold_start", True)

    @metrics.log_metrics(capture_cold_start_metric=True)
    @durable(metrics=metrics)
    def handler(event, ctx):
        count(metrics)
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert total(blobs(capsys), "ColdStart") == 1


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


def test_an_empty_first_invocation_is_still_told_and_its_answer_stays(metrics):
    @metrics.log_metrics(raise_on_empty_metrics=True)
    @durable(metrics=metrics)
    def handler(event, ctx): ...

    with pytest.warns(UserWarning, match="No application metrics to publish"):
        run = Simulator(handler).start()
    assert run.status == "SUCCEEDED"


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


@pytest.mark.usefixtures("impatient")
def test_six_threads_with_sixty_metrics_each_lose_nothing(metrics, capsys):
    """Each sixty of its own, so that the set overflows at a hundred on some thread or other."""

    def branch(number):
        def run(child):
            for one in range(60):
                count(metrics, f"Metric{number}x{one}")
            child.wait(5)

        return run

    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        ctx.parallel([branch(number) for number in range(6)])
        ctx.wait(5)

    Simulator(handler).start().finish()
    told = blobs(capsys)
    assert [total(told, f"Metric{number}x{one}") for number in range(6) for one in range(60)] == [1] * 360


def test_single_metric_prints_at_once_so_it_belongs_into_a_step(metrics, capsys):
    def once():
        with single_metric(name="InAStep", unit=MetricUnit.Count, value=1, namespace="Shop") as one:
            one.add_dimension(name="branch", value="1")

    @durable(metrics=metrics)
    def handler(event, ctx):
        with single_metric(name="InTheHandler", unit=MetricUnit.Count, value=1, namespace="Shop"):
            pass
        ctx.step(once)
        ctx.wait(5)

    Simulator(handler).start().finish()
    told = blobs(capsys)
    assert (total(told, "InAStep"), total(told, "InTheHandler")) == (1, 2)


def test_what_the_user_does_wrong_is_the_user_s_error(metrics):
    @durable(metrics=metrics)
    def handler(event, ctx):
        metrics.add_metric(name="Orders", unit="Parsecs", value=1)

    run = Simulator(handler).start()
    assert (run.status, run.error.error_type.rpartition(".")[2]) == ("FAILED", "MetricUnitError")


@pytest.mark.parametrize("is_reset", [False, True])
def test_the_provider_may_be_given_by_hand(is_reset, capsys):
    metrics = Metrics(provider=ReplaySafeProvider(namespace="Shop", service="orders"))

    @metrics.log_metrics(raise_on_empty_metrics=True)
    @durable
    def handler(event, ctx):
        ctx.wait(5)
        count(metrics)
        ctx.wait(5)

    if is_reset:
        reset()
    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert total(blobs(capsys)) == 1


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
    with pytest.raises(DurableConfigError, match="takes a Metrics of Powertools, not an int"):
        durable(metrics=42)(lambda event, ctx: None)
