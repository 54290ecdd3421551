"""A random generator of its own draws another number on each replay."""

from __future__ import annotations

from random import SystemRandom

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="reserve")
    lot = SystemRandom().randint(1, 1_000_000)
    return ctx.step(str, event["id"], name=f"lot-{lot}")
