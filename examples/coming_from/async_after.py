import asyncio
from datetime import timedelta
from typing import Any

from powertools_durable import AsyncDurableContext, durable


async def charge(order_id: str) -> str:
    return f"payment-{order_id}"


async def price(item: str) -> int:
    return len(item)


async def ask(callback_id: str) -> None:
    print("somebody must approve the order")


@durable
async def handler(event: dict[str, Any], ctx: AsyncDurableContext) -> dict[str, Any]:
    payment = ctx.step(charge, event["id"])  # begins now, is awaited later
    prices = await asyncio.gather(
        *[ctx.step(price, item, name=f"price-{item}") for item in event["items"]]
    )
    approval = await ctx.wait_for_callback(
        ask, name="approval", timeout=timedelta(days=3), returns=str
    )
    await ctx.wait(timedelta(seconds=5), name="cooling-off")
    return {"payment": await payment, "total": sum(prices), "by": approval}
