"""What docs/async.md quotes. Each handler is run by tests/examples/test_async_guide.py."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Self

from powertools_durable import (
    AsyncDurableContext,
    DurableConfig,
    Retry,
    StepError,
    durable,
)

LOG: list[str] = []


async def search(city: str) -> list[str]:
    return [f"{city}-hotel-{number}" for number in (1, 2)]


async def forecast(city: str) -> str:
    return f"sun in {city}"


async def book(hotel: str) -> str:
    return f"booked {hotel}"


async def confirm(booking: str) -> str:
    return f"{booking}, confirmed"


async def rent(city: str) -> str:
    return f"car in {city}"


# --8<-- [start:together]
async def reserve_room(ctx: AsyncDurableContext, hotel: str) -> str:
    booking = await ctx.step(book, hotel)
    await ctx.wait(timedelta(hours=1), name="until-it-is-confirmed")
    return await ctx.step(confirm, booking)


@durable
async def plan(city: str, ctx: AsyncDurableContext) -> list[str]:
    hotels, weather = await asyncio.gather(
        ctx.step(search, city), ctx.step(forecast, city)
    )
    async with asyncio.TaskGroup() as group:
        rooms = [group.create_task(reserve_room(ctx, hotel)) for hotel in hotels]
    return [weather, *(room.result() for room in rooms)]


# --8<-- [end:together]


# --8<-- [start:later]
@durable
async def begin_early(city: str, ctx: AsyncDurableContext) -> list[str]:
    car = ctx.step(rent, city)  # starts now
    weather = await ctx.step(forecast, city)
    return [weather, await car]


# --8<-- [end:later]


class Connection:
    """A connection that must be closed."""

    async def __aenter__(self) -> Self:
        LOG.append("open")
        return self

    async def __aexit__(self, *_: object) -> None:
        LOG.append("close")

    async def send(self, text: str) -> str:
        return f"sent {text}"


# --8<-- [start:cleanup]
@durable
async def report(text: str, ctx: AsyncDurableContext) -> str:
    # Closed at the suspension, opened again by the next invocation.
    async with Connection() as connection:
        await ctx.wait(timedelta(days=1))
        return await ctx.step(connection.send, text)


# --8<-- [end:cleanup]


async def ask_support(callback_id: str, question: str) -> None:
    """Send the question and the callback id to the support desk."""


# --8<-- [start:deadline]
@durable
async def answer(question: str, ctx: AsyncDurableContext) -> str:
    reply = ctx.wait_for_callback(ask_support, question, name="support", returns=str)
    winner, text = await ctx.race(
        {"reply": reply, "late": ctx.wait(timedelta(days=2))}, name="in-time"
    )
    return str(text) if winner == "reply" else "nobody knows"


# --8<-- [end:deadline]


async def warm_up_cache() -> None:
    """Fill a cache. This isn't durable."""
    await asyncio.sleep(3600)


# --8<-- [start:grace]
@durable(config=DurableConfig(plain_await_grace=0.2))
async def impatient(city: str, ctx: AsyncDurableContext) -> str:
    cache = asyncio.create_task(warm_up_cache())
    await ctx.wait(timedelta(days=1))
    cache.cancel()
    return await ctx.step(forecast, city)


# --8<-- [end:grace]


async def price_of(shop: str) -> int:
    if shop == "closed":
        raise ConnectionError("closed")
    return len(shop)


# --8<-- [start:first_answer]
@durable
async def fastest(shops: list[str], ctx: AsyncDurableContext) -> str:
    prices = [ctx.step(price_of, shop, name=shop, retry=Retry.none()) for shop in shops]
    try:
        index, price = await ctx.race(prices, name="fastest", cancel=True)
    except StepError as error:
        return f"{error.operation} failed first"
    return f"{shops[index]} for {price}"


# --8<-- [end:first_answer]
