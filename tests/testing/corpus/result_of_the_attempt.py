"""What a step returns depends on which attempt it is; a crash makes one more of an at-most-once step."""

from __future__ import annotations

from powertools_durable import Retry, StepSemantics, current_step, durable

EVENT = {"id": "order-42"}
SAYS = "its result is"


def reserve(order_id):
    return f"{order_id}-{current_step().attempt}"


@durable
def handler(event, ctx):
    once = StepSemantics.AT_MOST_ONCE
    return ctx.step(reserve, event["id"], semantics=once, retry=Retry(max_attempts=3, jitter="none"))
