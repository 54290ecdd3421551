"""A called function reads the clock, and decides which step comes next."""

from __future__ import annotations

from datetime import datetime

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


def is_morning():
    return datetime.now().hour < 12  # noqa: DTZ005


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="charge")
    return ctx.step(str, "van", name="ship-today" if is_morning() else "ship-tomorrow")
