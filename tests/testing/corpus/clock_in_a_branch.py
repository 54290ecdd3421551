"""The time of day decides which way to go, and it is different after a crash."""

from __future__ import annotations

from datetime import UTC, datetime

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="charge")
    if datetime.now(UTC).hour < 12:
        return ctx.step(str, "by van", name="ship-today")
    return ctx.step(str, "by night train", name="ship-tomorrow")
