"""examples/powertools/decorator_order: what docs/powertools/decorator-order.md shows."""

from __future__ import annotations

import io
import json

from examples.powertools import decorator_order as example
from powertools_durable.testing import Simulator


def test_the_recommended_stack_logs_and_counts_once_and_validates_the_payload(monkeypatch, capsys):
    stream = io.StringIO()
    monkeypatch.setattr(example.logger.registered_handler, "stream", stream)
    run = Simulator(example.handler).start({"id": "42"}).finish()
    assert (run.result, len(run.invocations)) == ("42", 2)
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["accepted"]
    printed = capsys.readouterr().out
    assert [printed.count(f'"{name}":[1.0]') for name in ("Accepted", "Shipped")] == [1, 1]
    assert Simulator(example.handler).start({}).status == "FAILED"  # and no warning: what fails need not have counted


def test_a_middleware_above_sees_each_invocation():
    example.INVOCATIONS.clear()
    Simulator(example.watched).start({"id": "42"}).finish()
    assert example.INVOCATIONS == ["begins", "PENDING", "begins", "SUCCEEDED"]
