"""A step gives its argument to a function that changes it, and a replay does not see the change."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42", "lines": ["cup"]}
DOCTOR = "step-write"
SAYS = "in place of"


def add_gift(order):
    order["lines"].append("gift")


def prepare(order):
    add_gift(order)
    return order["id"]


@durable
def handler(event, ctx):
    ctx.step(prepare, event)
    return ctx.step(len, event["lines"], name="count")
