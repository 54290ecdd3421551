"""Wrong code of `async def` handlers: each mistake must be found, as in `wrong.py`."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from powertools_durable import AsyncDurableContext, DurableContext, StepError, durable


class Order(BaseModel):
    id: str


class Payment(BaseModel):
    id: str


async def charge(order: Order) -> Payment:
    return Payment(id=order.id)


def weigh(order: Order) -> float:
    return float(len(order.id))


async def ship(ctx: AsyncDurableContext, order: Order) -> str:
    return await ctx.step(weigh, order)  # type: ignore[arg-type] # pyright: ignore[reportReturnType]


def pack(ctx: DurableContext, order: Order) -> str:
    return order.id


async def forgotten(ctx: AsyncDurableContext, order: Order) -> None:
    ctx.step(charge, order).id  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    payment: Payment = ctx.step(charge, order)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    ctx.create_callback().callback_id  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    with ctx.saga():  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        print(payment)
    with ctx.batch():  # type: ignore[attr-defined] # pyright: ignore[reportGeneralTypeIssues]
        print(payment)


async def others(ctx: AsyncDurableContext, order: Order) -> None:
    await ctx.step(charge, "1")  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    await ctx.step(charge, order=order)  # type: ignore[call-overload, call-arg] # pyright: ignore[reportCallIssue, reportArgumentType]
    number: int = await ctx.step(charge, order)  # type: ignore[arg-type] # pyright: ignore[reportAssignmentType]
    await ctx.run_in_child_context(pack, order)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    await ctx.map(pack, [order])  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    payment, weight = await asyncio.gather(ctx.step(charge, order), ctx.step(weigh, order))
    payment.weight  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    weight.id  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    await ctx.race(ctx.wait(3))  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    await ctx.race({1: ctx.wait(3)})  # type: ignore[dict-item] # pyright: ignore[reportCallIssue, reportArgumentType]
    await ctx.race([weigh])  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    key, _ = await ctx.race([ctx.wait(3)])
    key.upper()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    print(number)


async def of_a_race(ctx: AsyncDurableContext, order: Order) -> None:
    try:
        await ctx.race([ctx.step(charge, order)])
    except StepError as error:
        error.contestant.upper()  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        error.contender  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


@durable(model=Order)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
async def another_model(order: Payment, ctx: AsyncDurableContext) -> None: ...


@durable  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
async def without_context(order: Order) -> None: ...
