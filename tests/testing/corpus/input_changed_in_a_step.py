"""A step changes an object that is not its result, and a replay does not see the change."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42", "paid": False}
DOCTOR = "step-write"
SAYS = "in place of"


def charge(order):
    order["paid"] = True


@durable
def handler(event, ctx):
    ctx.step(charge, event)
    return ctx.step(lambda: "ship" if event["paid"] else "remind", name="next")
