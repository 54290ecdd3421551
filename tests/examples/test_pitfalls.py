"""examples/powertools/pitfalls: what docs/powertools/pitfalls.md shows, and what it warns of."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest

from examples.powertools import pitfalls as example
from powertools_durable import durable
from powertools_durable.testing import Simulator


@pytest.fixture
def lines(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(example.logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def finished(handler, event=None):
    return Simulator(handler).start(event).finish()


def test_a_branch_on_what_a_step_found_is_taken_the_same_way_on_replay(monkeypatch):
    monkeypatch.setattr(example, "is_weekend", lambda: True)
    run = Simulator(example.branches_on_what_a_step_found).start()
    monkeypatch.setattr(example, "is_weekend", lambda: False)
    assert run.finish().status == "SUCCEEDED"


def test_a_branch_on_what_changes_is_found_out():
    weekend = [True, False]

    @durable
    def handler(event, ctx):
        if weekend.pop(0):
            ctx.wait(timedelta(days=2))
        ctx.step(lambda: "shipped", name="ship")

    run = finished(handler)
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


def test_deferred_work_runs_once_and_finally_at_each_suspension():
    example.CLOSED.clear()
    finished(example.cleans_up_once, "42")
    assert example.CLOSED == ["42"]

    closed = []

    @durable
    def handler(event, ctx):
        try:
            ctx.wait(5)
            ctx.wait(5)
        finally:
            closed.append(1)

    finished(handler)
    assert len(closed) == 3


def test_a_suspension_passes_what_catches_exceptions():
    assert finished(example.catches_errors).result == "failed with ConnectionError"


def test_a_failure_is_logged_and_a_suspension_is_let_through(lines):
    run = finished(example.logs_what_fails)
    assert (run.status, len(run.invocations)) == ("FAILED", 2)
    assert [line["message"] for line in lines()].count("not charged") == 1


def test_a_swallowed_suspension_is_raised_again_by_the_next_operation():
    after = []

    @durable
    def handler(event, ctx):
        try:
            ctx.wait(5)
        except BaseException:  # noqa: BLE001 - the pitfall
            after.append("swallowed")
            ctx.step(lambda: after.append("never"))

    run = Simulator(handler).start()
    assert (after, run.status) == (["swallowed"], "RUNNING")
    assert run.finish().status == "SUCCEEDED"


def test_a_bound_thread_logs_once(lines):
    run = finished(example.uses_threads, ["a", "b"])
    assert (run.result, len(run.invocations)) == (["A", "B"], 2)
    assert sorted(line["sku"] for line in lines()) == ["a", "b"]
    assert {line["executionArn"] for line in lines()} == {run.arn}


def test_keys_are_there_after_a_replay_and_gone_in_the_next_execution(lines):
    finished(example.appends_keys, "42")
    finished(example.appends_keys, "43")
    assert [(line["message"], line["order_id"]) for line in lines()] == [("shipped", "42"), ("shipped", "43")]


def test_a_metric_of_a_retried_step_is_counted_for_each_attempt(capsys):
    example.ATTEMPTS.clear()
    assert finished(example.counts).result == "shipped"
    blobs = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    totals = {name: sum(sum(blob.get(name, [])) for blob in blobs) for name in ("ShippingTried", "Shipped")}
    assert totals == {"ShippingTried": 3, "Shipped": 1}
