"""The result of an at-most-once step depends on the attempt, and a crash adds an attempt."""

from __future__ import annotations

from powertools_durable import Retry, StepSemantics, current_step, durable

EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "its result is"


def reserve(order_id):
    return f"{order_id}-{current_step().attempt}"


@durable
def handler(event, ctx):
    once = StepSemantics.AT_MOST_ONCE
    return ctx.step(reserve, event["id"], semantics=once, retry=Retry(max_attempts=3, jitter="none"))
