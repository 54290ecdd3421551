"""MockDurableContext.build_async(): ``async def`` functions over prepared operations."""

from __future__ import annotations

import asyncio

import pytest

from powertools_durable import AsyncDurableContext, StepError
from powertools_durable.errors import NonDeterminismError, SuspendExecution
from powertools_durable.testing import MockDurableContext


async def charge(order: str) -> str:
    raise AssertionError(order)


async def notify(words: str) -> str:
    await asyncio.sleep(60)
    return words


async def pay(ctx: AsyncDurableContext, order: str) -> str:
    try:
        return await ctx.step(charge, order)
    except StepError as error:
        return await ctx.step(notify, f"{order}: {error.error_type}")


def test_who_can_not_pay_is_told() -> None:
    run = MockDurableContext().with_step_error("charge", "CardDeclined").build_async()
    assert run.call(pay, "order-42") == "order-42: CardDeclined"
    run.assert_operations(["step:notify"])


def test_what_is_prepared_is_returned_and_nothing_is_sent():
    run = MockDurableContext().with_step_result("charge", "p-1").with_wait("never").build_async()
    assert run.call(pay, "order-42") == "p-1"
    run.assert_no_checkpoints()
    assert run.unused == ["WAIT never"]


def test_scopes_and_tasks():
    async def below(ctx):
        return await ctx.step(charge, "a", name="inner")

    async def all_of_it(ctx):
        child, mapped, _ = await asyncio.gather(
            ctx.run_in_child_context(below, name="child"),
            ctx.map(lambda c, _: below(c), [1, 2], name="all"),
            ctx.wait(5),
        )
        return child, mapped.results

    inner = MockDurableContext().with_step_result("inner", "i")
    run = (
        MockDurableContext()
        .with_context("child", inside=inner)
        .with_map("all", inside=[inner, inner])
        .with_wait()
        .build_async()
    )
    assert run.call(all_of_it) == ("i", ["i", "i"])


def test_what_waits_suspends():
    async def waits(ctx):
        await asyncio.gather(ctx.wait(5, name="pause"), ctx.step(notify, "x"))

    run = MockDurableContext().build_async()
    with pytest.raises(SuspendExecution):
        run.call(waits)
    assert {operation.name for operation in run.operations} == {"pause", "notify"}


def test_another_name_is_refused_and_errors_are_raised():
    with pytest.raises(NonDeterminismError, match="refund"):
        MockDurableContext().with_step_result("refund").build_async().call(pay, "order-42")

    async def raises(ctx):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        MockDurableContext().build_async().call(raises)


def test_inside_of_a_running_loop():
    async def test():
        return MockDurableContext().with_step_result("charge", "p-1").build_async().call(pay, "order-42")

    assert asyncio.run(test()) == "p-1"
