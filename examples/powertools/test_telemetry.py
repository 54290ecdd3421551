"""How a test looks at log lines and metrics: docs/powertools/logger.md, docs/powertools/metrics.md."""

from __future__ import annotations

from powertools_durable.testing import Simulator
from powertools_durable.testing.fixtures.captured_logs import CapturedLogs


# --8<-- [start:logger]
def test_an_order_says_each_line_once(captured_logs: CapturedLogs) -> None:
    from examples.powertools.logger import handler

    run = Simulator(handler).start({"id": "42"}).finish()
    assert len(run.invocations) == 2
    assert captured_logs.messages == ["order accepted", "charging", "order shipped"]
    assert {line["executionArn"] for line in captured_logs} == {run.arn}


# --8<-- [end:logger]


# --8<-- [start:metrics]
def test_an_order_is_counted_once() -> None:
    from examples.powertools.metrics import handler

    run = Simulator(handler).start({"id": "42"}).finish()
    counted = [
        blob["OrdersAccepted"]
        for one in run.invocations
        for blob in one.metrics
        if "OrdersAccepted" in blob
    ]
    assert counted == [[1.0]]


# --8<-- [end:metrics]
