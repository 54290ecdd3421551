"""A mutable default argument: it lives as long as the execution environment, not as long as the invocation."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "its result is"


@durable
def handler(event, ctx, seen=[]):  # noqa: B006 - the bug
    seen.append(event["id"])
    ctx.step(str, event["id"], name="charge")
    return ctx.step(lambda: len(seen), name="count")
