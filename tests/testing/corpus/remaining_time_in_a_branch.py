"""The time that is left in the invocation decides whether a step is called."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "invocation"
SAYS = None


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="charge")
    if ctx.lambda_context.get_remaining_time_in_millis() > 900_000 - 5:
        ctx.step(str, event["id"], name="recommend")
    return ctx.step(str, event["id"], name="ship")
