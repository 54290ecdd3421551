"""A called function decides by the clock to leave early, so later steps are asked for or not."""

from __future__ import annotations

from datetime import UTC, datetime

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "in place of"


def is_open():
    return datetime.now(UTC).hour < 12


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="reserve")
    if not is_open():
        return "closed"
    return ctx.step(str, event["id"], name="charge")
