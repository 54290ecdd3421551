"""An async handler decides by os.getenv which step it awaits."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "the code asks for"


async def score(order_id):
    return len(order_id)


@durable
async def handler(event, ctx):
    await ctx.step(score, event["id"], name="reserve")
    limit = os.getenv("MANUAL_REVIEW")
    return await ctx.step(score, event["id"], name="review" if limit else "approve")
