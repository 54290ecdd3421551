"""An id is made in an async function outside of a step, and is another one on replay."""

from __future__ import annotations

from uuid import uuid4

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "in place of"


async def new_order():
    return {"id": uuid4().hex}


async def save(order):
    return order["id"]


@durable
async def handler(event, ctx):
    order = await new_order()
    first = await ctx.step(save, order, name="save")
    return [first, await ctx.step(save, order, name="publish")]
