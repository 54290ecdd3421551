"""examples/powertools/logger.py and metrics.py: what docs/powertools shows of them."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest

from examples.powertools import logger as logs
from examples.powertools import metrics as counts
from examples.powertools import test_telemetry as shown
from powertools_durable.testing import Simulator, reset

test_what_the_logger_s_page_shows = shown.test_an_order_says_each_line_once
test_what_the_metrics_page_shows = shown.test_an_order_is_counted_once


@pytest.fixture(autouse=True)
def nothing_instrumented():
    yield
    reset()
    counts.metrics.clear_metrics()


@pytest.fixture
def lines(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(logs.logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def totals(run):
    found = Counter()
    for one in run.invocations:
        for blob in one.metrics:
            for name in (metric["Name"] for metric in blob["_aws"]["CloudWatchMetrics"][0]["Metrics"]):
                found[name] += sum(blob[name])
    return found


# -- logger ----------------------------------------------------------------------------------------------------


def test_each_line_is_logged_once_and_joined_by_its_keys(lines):
    run = Simulator(logs.handler).start({"id": "42"}).finish()
    told = lines()
    assert [line["message"] for line in told] == ["order accepted", "charging", "order shipped"]
    assert ({line["executionArn"] for line in told}, {line["correlation_id"] for line in told}) == ({run.arn}, {"42"})
    assert (told[1]["operationName"], told[1]["attempt"]) == ("charge", 1)


def test_the_input_is_logged_once_and_nothing_of_the_envelope(lines):
    Simulator(logs.logs_its_input).start({"id": "42"})
    assert [line["message"] for line in lines()] == [{"id": "42"}]


def test_keys_of_a_branch_are_its_own(lines):
    Simulator(logs.ships).start(["a", "b"]).finish()
    told = Counter((line["message"], line["parcel"]) for line in lines())
    assert told == {(word, parcel): 1 for word in ("picked", "shipped") for parcel in "ab"}


def test_bound_threads_know_the_execution(lines):
    run = Simulator(logs.asks_three_shops).start("sicp")
    assert run.result == {"ada": 3, "grace": 5, "linus": 5}
    assert {(line["executionArn"], line["operationName"]) for line in lines()} == {(run.arn, "ask")}


def test_ported_code_has_a_logger(lines):
    from powertools_durable import durable

    Simulator(durable(logs.ported)).start({"id": "42"})
    (line,) = lines()
    assert (line["level"], line["order_id"]) == ("WARNING", "42")


def test_every_line_may_be_wanted(lines):
    @logs.every_line
    def handler(event, ctx):
        logs.logger.info("line")
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert [line.get("isReplay", False) for line in lines()] == [False, True]


# -- metrics ---------------------------------------------------------------------------------------------------


def test_each_metric_is_counted_once():
    told = totals(Simulator(counts.handler).start({"id": "42"}).finish())
    told.pop("ColdStart", None)  # the first invocation of this process, whoever made it
    assert told == {"OrdersAccepted": 1, "ChargesTried": 1, "OrdersPaid": 1, "OrdersShipped": 1}


def test_a_dimension_of_a_branch_is_its_own():
    run = Simulator(counts.ships).start(["de", "fr"]).finish()
    assert totals(run) == {"Parcels": 2, "Shipments": 1}
    parcels = [blob for one in run.invocations for blob in one.metrics if "Parcels" in blob]
    assert {blob["country"] for blob in parcels} == {"de", "fr"}


def test_the_engine_tells_of_itself():
    told = totals(Simulator(counts.watched).start({"id": "42"}).finish())
    assert (told["DurableInvocation"], told["DurableSuspended"], told["DurableReplayedOperations"]) == (2, 1, 2)


def test_the_provider_by_hand():
    assert totals(Simulator(counts.audited).start({"id": "42"}).finish()) == {"Audits": 1}
