"""A step sets a global, which the handler reads outside of steps."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "step-write"
SAYS = "the code asks for"


region = "none"


def find_region(order_id):
    global region  # noqa: PLW0603
    region = f"eu-{len(order_id)}"
    return "known"


@durable
def handler(event, ctx):
    ctx.step(find_region, event["id"], name="find")
    return ctx.step(str, event["id"], name=f"ship-{region}")
