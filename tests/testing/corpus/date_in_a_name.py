"""The name of a step is made of the date of today."""

from __future__ import annotations

from datetime import date

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="reserve")
    return ctx.step(str, event["id"], name=f"charge-{date.today().day}")  # noqa: DTZ011
