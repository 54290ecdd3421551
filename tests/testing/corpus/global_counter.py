"""A counter in a module global: each invocation in the same execution environment continues counting."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "global"
SAYS = "the code asks for"

count = 0


@durable
def handler(event, ctx):
    global count  # noqa: PLW0603 - the bug
    count += 1
    ctx.step(str, event["id"], name=f"invoice-{count}")
    return ctx.step(str, "sent", name="send")
