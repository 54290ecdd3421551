"""examples/powertools: what docs/powertools shows."""

from __future__ import annotations

import io
import json

import pytest

from examples.powertools import logger_and_metrics as example
from examples.powertools import plugins
from powertools_durable.testing import Simulator


@pytest.fixture
def stream(monkeypatch):
    made = io.StringIO()
    monkeypatch.setattr(example.logger.registered_handler, "stream", made)
    return made


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_logged_once_and_each_metric_counted_once(stream, capsys):
    run = Simulator(example.handler).start({"id": "42"}).finish()
    assert (run.result, len(run.invocations)) == ("pay-42", 2)
    told = lines(stream)
    assert [line["message"] for line in told] == ["order accepted", "charging", "order shipped"]
    assert {line["executionArn"] for line in told} == {run.arn}
    assert {line["correlation_id"] for line in told} == {"42"}
    assert (told[1]["operationName"], told[1]["attempt"]) == ("charge", 1)
    blobs = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    for name in ("OrdersAccepted", "OrdersShipped"):
        assert [blob[name] for blob in blobs if name in blob] == [[1.0]]


def test_the_input_is_logged_once_and_nothing_of_the_envelope(stream):
    Simulator(example.logs_its_input).start({"id": "42"})
    assert [line["message"] for line in lines(stream)] == [{"id": "42"}]


def test_plugins_hear_of_steps_and_invocations(monkeypatch):
    made = io.StringIO()
    monkeypatch.setattr(plugins.logger.registered_handler, "stream", made)
    moments = iter([0.0, 6.0])
    monkeypatch.setattr(plugins, "perf_counter", lambda: next(moments))
    assert Simulator(plugins.handler).start({"id": "42"}).finish().result == "pay-42"
    told = lines(made)
    assert [(line["message"], line.get("outcome"), line.get("ends")) for line in told] == [
        ("slow step", "SUCCEEDED", None),
        ("invocation over", "PENDING", {"STEP SUCCEEDED": 1}),
        ("invocation over", "SUCCEEDED", {"WAIT SUCCEEDED": 1}),
    ]
    assert (told[0]["step"], told[0]["operationName"], told[0]["attempt"]) == ("charge", "charge", 1)
