"""One invocation of a simulated run: how long it may take, how it is cut, what it says."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from powertools_durable import Retry, StepError, StepInterruptedError, StepSemantics, current_step, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator, spend
from powertools_durable.testing.simulation.captured_output import _Output

log = logging.getLogger(__name__)
ONCE = StepSemantics.AT_MOST_ONCE


# -- time that code takes -------------------------------------------------------------------------------------


def test_time_that_a_body_spends_passes_for_the_service_and_for_the_invocation():
    @durable
    def handler(event, ctx):
        ctx.step(lambda: spend(timedelta(minutes=10)), name="long")
        left.append(ctx.remaining_time.total_seconds())
        ctx.wait(3600)

    left = []
    run = Simulator(handler).start()
    assert run.waiting_for[0].wait_details.scheduled_end_timestamp == run.now + timedelta(hours=1)
    assert run.finish().status == "SUCCEEDED"
    assert left == [300, 900]


def test_an_invocation_is_cut_where_its_time_is_over_and_the_service_invokes_again():
    bodies, after = [], []

    def body():
        bodies.append(current_step().attempt)
        if len(bodies) == 1:
            spend(901)
            after.append("never")
        return "in time"

    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1, name="before")
        return ctx.step(body, name="slow")

    run = Simulator(handler).start()
    assert (run.status, run.invocations[0].answer.error_type) == ("RUNNING", "Sandbox.Timedout")
    assert run.invocations[0].answer.error_message == "Task timed out after 900.00 seconds"
    assert [(op.name, op.status.value) for op in run.operations] == [("before", "SUCCEEDED"), ("slow", "STARTED")]
    assert run.finish().result == "in time"
    assert (len(bodies), after) == (2, [])


def test_an_at_most_once_step_that_was_cut_is_interrupted_for_the_next_invocation():
    bodies = []

    def pay():
        bodies.append(1)
        spend(10)

    @durable
    def handler(event, ctx):
        try:
            ctx.step(pay, semantics=ONCE, retry=Retry.none())
        except StepInterruptedError:
            return "ask the bank"

    run = Simulator(handler, invocation_timeout=10).start().finish()
    assert (run.result, len(bodies), len(run.invocations)) == ("ask the bank", 1, 2)


def test_a_handler_that_always_takes_too_long_is_given_up_after_five_invocations():
    run = Simulator(durable(lambda event, ctx: spend(60)), invocation_timeout=60).start().finish()
    assert (run.status, run.error.error_type, len(run.invocations)) == ("FAILED", "Sandbox.Timedout", 5)


def test_what_code_does_after_the_cut_reaches_nothing():
    def body(ctx):
        try:
            spend(60)
        except BaseException:  # noqa: BLE001 - as users write it
            return "got away with it"

    @durable
    def handler(event, ctx):
        try:
            return ctx.step(body, ctx, name="slow")
        except BaseException:  # noqa: BLE001 - as users write it
            ctx.step(lambda: 1, name="late")
        finally:
            ctx.step(lambda: 1, name="later")

    run = Simulator(handler, invocation_timeout=60).start()
    assert (run.status, [op.name for op in run.operations], len(run.invocations)) == ("RUNNING", ["slow"], 1)


def test_a_step_with_a_timeout_of_its_own_ends_before_the_invocation_does():
    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: spend(30), timeout=20, retry=Retry.none(), name="slow")
        except StepError as error:
            return [type(error).__name__, ctx.remaining_time.total_seconds()]

    assert Simulator(handler).start().result == ["StepTimeoutError", 880]


def test_an_invoked_durable_function_has_a_timeout_of_its_own():
    @durable
    def callee(event, ctx):
        return ctx.step(lambda: spend(5 if current_step().attempt else 0) or "done", name="short")

    @durable
    def caller(event, ctx):
        return ctx.invoke("callee")

    assert Simulator(caller, functions={"callee": callee}, invocation_timeout=8).start().finish().result == "done"


def test_spending_time_outside_the_simulator_takes_none():
    spend(3600)


@pytest.mark.parametrize("wrong", [-1, "1h", None, float("nan")])
def test_only_a_time_span_can_be_spent(wrong):
    with pytest.raises(ValidationError, match=r"spend\(\): a time span is"):
        spend(wrong)


# -- what an invocation says ----------------------------------------------------------------------------------


def test_each_invocation_has_the_log_lines_that_went_out_in_it():
    @durable
    def handler(event, ctx):
        log.warning("first")
        ctx.wait(60)
        log.warning("second")

    run = Simulator(handler).start().finish()
    assert [[r.getMessage() for r in i.logs] for i in run.invocations] == [["first"], ["second"]]
    assert [r.getMessage() for r in run.logs] == ["first", "second"]


def test_each_invocation_has_the_metrics_that_it_printed_and_they_are_printed(capsys):
    metrics = Metrics(namespace="Shop", service="orders")

    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        metrics.add_metric(name="Accepted", unit=MetricUnit.Count, value=1)
        ctx.wait(60)
        metrics.add_metric(name="Shipped", unit=MetricUnit.Count, value=2)
        print("not a metric", {"_aws": 1})  # noqa: T201 - what the handler under test does

    run = Simulator(handler).start().finish()
    (accepted,), (shipped,) = (i.metrics for i in run.invocations)
    assert (accepted["Accepted"], shipped["Shipped"]) == ([1.0], [2.0])
    assert "Accepted" not in shipped
    assert run.metrics == [accepted, shipped]
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line) for line in printed] == run.metrics


def test_what_an_invoked_durable_function_logs_belongs_to_the_run_but_to_no_invocation_of_the_caller():
    @durable
    def callee(event, ctx):
        log.warning("callee")

    @durable
    def caller(event, ctx):
        log.warning("caller")
        ctx.invoke("callee")

    run = Simulator(caller, functions={"callee": callee}).start().finish()
    assert [r.getMessage() for r in run.logs] == ["caller", "callee"]
    assert [[r.getMessage() for r in i.logs] for i in run.invocations] == [["caller"], []]


def test_what_captured_metrics_is_thrown_away_without_a_word_when_the_output_is_closed():
    out = io.StringIO()
    tee = _Output(out)
    out.close()
    tee.close()
    assert tee.closed


def test_levels_that_code_sets_on_the_root_loggers_handlers_do_not_outlast_the_run(monkeypatch):
    @durable
    def handler(event, ctx):
        log.warning("said")
        for each in logging.getLogger().handlers:
            monkeypatch.setattr(each, "level", logging.CRITICAL)
        ctx.wait(1)

    for _ in range(2):
        assert [record.getMessage() for record in Simulator(handler).start().logs] == ["said"]
