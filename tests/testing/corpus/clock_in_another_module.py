"""A function of another module reads the clock, and the name of a step is made of it."""

from __future__ import annotations

from powertools_durable import durable
from tests.testing.corpus.services import calendar_rules

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="charge")
    return ctx.step(str, event["id"], name=f"invoice-{calendar_rules.quarter_of_today()}")
