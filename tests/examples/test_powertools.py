"""examples/powertools: what docs/powertools shows."""

from __future__ import annotations

import io
import json

import pytest

from examples.powertools import logger_and_metrics as example
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
