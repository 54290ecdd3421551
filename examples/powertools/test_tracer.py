"""How a test looks at traces: docs/powertools/tracer.md."""

from __future__ import annotations

from powertools_durable.testing import Simulator
from powertools_durable.testing.fixtures.xray_daemon import XRayDaemon


# --8<-- [start:test]
def test_an_order_is_charged_once_and_nothing_is_a_fault(
    xray_segments: XRayDaemon,
) -> None:
    from examples.powertools.tracer import handler  # here, where a Tracer is enabled

    run = Simulator(handler).start({"id": "42"}, name="order-42").finish()
    assert len(xray_segments.named("## durable")) == len(run.invocations) == 3
    assert len(xray_segments.named("## step charge")) == 1
    assert [one["name"] for one in xray_segments.subsegments if one.get("fault")] == []


# --8<-- [end:test]
