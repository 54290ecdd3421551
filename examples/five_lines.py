"""The handlers of the README: five lines, two plain functions; and the same as `async def`.

Run them here::

    powertools-durable run examples/five_lines.py:handler --event '"order-42"' --skip-time
    powertools-durable run examples/five_lines.py:async_handler --event '"order-42"' --skip-time
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from powertools_durable import AsyncDurableContext, DurableContext, durable


def charge(order_id: str) -> str:
    """Charge the card."""
    return f"payment-of-{order_id}"


def ship(order_id: str, payment: str) -> str:
    """Hand the parcel over."""
    return f"{order_id} is on its way, paid by {payment}"


# --8<-- [start:handler]
@durable
def handler(order_id: str, ctx: DurableContext) -> str:
    payment = ctx.step(charge, order_id)
    ctx.wait(timedelta(days=1))
    return ctx.step(ship, order_id, payment)


# --8<-- [end:handler]


async def charge_card(order_id: str) -> str:
    """Charge the card, by a client that is awaited."""
    return charge(order_id)


async def pack(order_id: str) -> str:
    """Put the goods into a parcel."""
    return f"parcel-of-{order_id}"


# --8<-- [start:async_handler]
@durable
async def async_handler(order_id: str, ctx: AsyncDurableContext) -> str:
    payment, parcel = await asyncio.gather(
        ctx.step(charge_card, order_id), ctx.step(pack, order_id)
    )
    await ctx.wait(timedelta(days=1))
    return await ctx.step(ship, parcel, payment)


# --8<-- [end:async_handler]
