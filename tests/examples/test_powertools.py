"""examples/powertools: what docs/powertools shows."""

from __future__ import annotations

import io
import json

from examples.powertools import plugins
from powertools_durable.testing import Simulator


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


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
