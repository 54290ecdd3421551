"""The code makes a step only if it is not replaying, so no replay finds the step."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "invocation"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    if not ctx.is_replaying:
        ctx.step(str, event["id"], name="greet")
    ctx.wait(60, name="minute")
    return ctx.step(str, event["id"], name="charge")
