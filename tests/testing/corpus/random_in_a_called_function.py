"""A called function draws a random number, which decides which step runs."""

from __future__ import annotations

import random

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "the code asks for"


def variant():
    return "a" if random.random() < 0.5 else "b"


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="assign")
    return ctx.step(str, event["id"], name=f"offer-{variant()}")
