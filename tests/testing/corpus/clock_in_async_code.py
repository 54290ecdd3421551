"""An awaited function reads the clock, and decides whether a step is called."""

from __future__ import annotations

from datetime import UTC, datetime

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


async def is_late():
    return datetime.now(UTC).hour >= 12


async def charge(order_id):
    return f"payment-of-{order_id}"


@durable
async def handler(event, ctx):
    payment = await ctx.step(charge, event["id"])
    if await is_late():
        return await ctx.step(charge, f"late-{payment}", name="surcharge")
    return await ctx.step(charge, payment, name="confirm")
