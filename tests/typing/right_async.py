"""Right code of `async def` handlers, as users write it: what type checkers say of it; each must say nothing else."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, assert_type

from pydantic import BaseModel, TypeAdapter

from powertools_durable import (
    AsyncCallback,
    AsyncDurableContext,
    BatchResult,
    DurableConfig,
    DurableContext,
    DurableFunction,
    DurableTask,
    OperationCancelledError,
    Polling,
    Retry,
    durable,
)
from powertools_durable.serdes import CompressingSerDes, ModelSerDes, S3SerDes, SerDes


class Order(BaseModel):
    id: str


class Payment(BaseModel):
    id: str


class Refusal(BaseModel):
    reason: str


OWN: SerDes[Payment] = ModelSerDes(Payment)
MANY: TypeAdapter[list[Payment] | None] = TypeAdapter(list[Payment] | None)
RETRY = Retry.fixed(5, max_attempts=3)


async def charge(order: Order, currency: str) -> Payment:
    return Payment(id=order.id + currency)


def weigh(order: Order) -> float:
    return float(len(order.id))


async def submit(callback_id: str, amount: int = 0) -> None: ...


async def ship(ctx: AsyncDurableContext, order: Order) -> str:
    weight = await ctx.step(weigh, order)
    return f"{weight} kg"


def label(ctx: AsyncDurableContext, order: Order) -> str:
    return order.id


async def look(count: int) -> int:
    return count + 1


async def steps(ctx: AsyncDurableContext, order: Order) -> None:
    await assert_type(ctx.step(charge, order, "EUR"), DurableTask[Payment])
    assert_type(await ctx.step(charge, order, "EUR"), Payment)
    assert_type(await ctx.step(weigh, order), float)
    chain = S3SerDes("values", inner=CompressingSerDes())
    assert_type(await ctx.step(charge, order, "EUR", serdes=chain), Payment)
    assert_type(await ctx.step(functools.partial(charge, order, currency="EUR")), Payment)
    assert_type(await ctx.step(functools.partial(weigh, order), retry=RETRY), float)
    assert_type(await ctx.step(lambda: charge(order, "EUR"), name="charge"), Payment)
    assert_type(await ctx.step(lambda: {"a": 1}, name="a", returns=dict[str, int]), dict[str, int])
    assert_type(await ctx.step_with_compensation(charge, order, "EUR", compensate=weigh), Payment)
    assert_type(await ctx.now(), datetime)
    await ctx.wait(timedelta(days=1), name="a day")
    await ctx.flush_batch()
    assert_type(ctx.patched("by-air"), bool)


async def together(ctx: AsyncDurableContext, order: Order) -> None:
    payment, weight = await asyncio.gather(ctx.step(charge, order, "EUR"), ctx.step(weigh, order))
    assert_type(payment, Payment)
    assert_type(weight, float)
    assert_type(await asyncio.gather(*[ctx.step(charge, order, "EUR") for _ in range(3)]), list[Payment])
    parcel, callback = await asyncio.gather(ship(ctx, order), ctx.create_callback(returns=Payment))
    assert_type(parcel, str)
    assert_type(callback, AsyncCallback[Payment])
    either = await asyncio.gather(ctx.step(weigh, order), ctx.step(weigh, order), return_exceptions=True)
    assert_type(either, tuple[float | BaseException, float | BaseException])
    async with asyncio.TaskGroup() as group:
        shipped = group.create_task(ship(ctx, order))
    assert_type(shipped.result(), str)
    done, pending = await asyncio.wait({ctx.step(weigh, order)})
    for task in done | pending:
        assert_type(task.result(), float)
    assert_type(await asyncio.shield(ctx.step(weigh, order)), float)
    async with asyncio.timeout(3):
        assert_type(await asyncio.wait_for(ctx.step(weigh, order), 3), float)


async def callbacks(ctx: AsyncDurableContext) -> None:
    assert_type(await ctx.create_callback(), AsyncCallback[str | None])
    assert_type(await ctx.create_callback(name="a", timeout=3, serdes=OWN), AsyncCallback[Payment])
    either = await ctx.create_callback(returns=Payment | Refusal)
    await assert_type(either.result(), DurableTask[Payment | Refusal])
    assert_type(await (await ctx.create_callback(returns=MANY)).result(), list[Payment] | None)
    assert_type(await ctx.wait_for_callback(submit), str | None)
    assert_type(await ctx.wait_for_callback(submit, 3, returns=Payment | None, timeout=60), Payment | None)
    assert_type(await ctx.wait_for_condition(look, initial=0, polling=Polling.every(5, lambda n: n > 3)), int)
    assert_type(await ctx.invoke("f:1", returns=Payment), Payment)
    assert_type(await ctx.invoke("f:1", {"a": 1}, serdes=OWN), Payment)
    assert_type(await ctx.invoke("f:1"), Any)


async def races(ctx: AsyncDurableContext, order: Order) -> None:
    key, payment = await ctx.race({"eur": ctx.step(charge, order, "EUR"), "usd": ctx.step(charge, order, "USD")})
    assert_type(key, str)
    assert_type(payment, Payment)
    index, parcel = await ctx.race([ship(ctx, order), asyncio.create_task(ship(ctx, order))], name="first", cancel=True)
    assert_type(index, int)
    assert_type(parcel, str)
    paid = await ctx.create_callback(returns=Payment)
    try:
        winner, value = await ctx.race({"paid": paid.result(), "late": ctx.wait(3)})
    except OperationCancelledError as error:
        assert_type(error.contestant, str | int | None)
        raise
    if value is not None:
        print(value.id)  # mypy infers Any for a race of several types, pyright their union
    assert_type(winner, str)


async def contexts(ctx: AsyncDurableContext, orders: list[Order]) -> None:
    order = orders[0]
    assert_type(await ctx.run_in_child_context(ship, order), str)
    assert_type(await ctx.run_in_child_context(label, order), str)
    assert_type(await ctx.with_retry(ship, order, retry=RETRY), str)
    assert_type(await ctx.map(ship, orders, max_concurrency=10), BatchResult[str])
    assert_type((await ctx.map(label, orders)).results, list[str])
    branches: dict[str, Callable[[AsyncDurableContext], Awaitable[str]]] = {"a": lambda child: ship(child, order)}
    assert_type(await ctx.parallel(branches), BatchResult[str])
    assert_type(await ctx.parallel([functools.partial(ship, order=order)]), BatchResult[str])
    async with ctx.saga() as saga:
        saga.undo(weigh, order)
    async with ctx.batch():
        await ctx.step(weigh, order)


@durable
async def handler(order: Order, ctx: AsyncDurableContext) -> Payment | None:
    return await ctx.step(charge, order, "EUR")


@durable(config=DurableConfig(plain_await_grace=2), retry=RETRY)
async def with_options(order: Order, ctx: AsyncDurableContext) -> str:
    return await ship(ctx, order)


@durable(model=Order)
async def with_model(order: Order, ctx: AsyncDurableContext) -> str:
    return await ship(ctx, order)


@durable(model=MANY)
async def with_adapter(payments: list[Payment] | None, ctx: AsyncDurableContext) -> int:
    return len(payments or ())


@durable(model=Order)
def not_async(order: Order, ctx: DurableContext) -> float:
    return ctx.step(weigh, order)


def decorated() -> None:
    assert_type(handler, DurableFunction[Payment | None])
    assert_type(with_options, DurableFunction[str])
    assert_type(with_model, DurableFunction[str])
    assert_type(with_adapter, DurableFunction[int])
    assert_type(not_async, DurableFunction[float])
