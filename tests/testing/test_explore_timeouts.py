"""Limits of asyncio's clock around durable calls: `explore` warns of them, with their line."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from powertools_durable import AsyncDurableContext, durable
from powertools_durable.testing import explore


async def work(value=1):
    return value


async def slow():
    await asyncio.sleep(3)


async def helper(context):
    return await context.step(work)


async def a_timeout(ctx):
    async with asyncio.timeout(5):  # limits
        return await ctx.step(work)


async def a_timeout_at(ctx):
    async with asyncio.timeout_at(asyncio.get_running_loop().time() + 5):  # limits
        return await helper(ctx)


async def a_limited_wait_for(ctx):
    return await asyncio.wait_for(ctx.step(work), 5)  # limits


async def a_limited_wait_for_a_helper(ctx):
    return await asyncio.wait_for(helper(ctx), timeout=5)  # limits


async def a_limited_wait(ctx):
    call = ctx.step(work)
    await asyncio.wait([ctx.step(work, 2), call], timeout=5)  # limits
    return await call


async def in_a_task(ctx):
    async def task():
        async with asyncio.timeout(5):  # limits
            return await ctx.step(work)

    return await asyncio.create_task(task())


async def in_a_child_with_an_annotation(ctx):
    async def below(inside: AsyncDurableContext):
        async with asyncio.timeout(5):  # limits
            return await inside.step(work)

    return await ctx.run_in_child_context(below)


LIMITS = [
    a_timeout,
    a_timeout_at,
    a_limited_wait_for,
    a_limited_wait_for_a_helper,
    a_limited_wait,
    in_a_task,
    in_a_child_with_an_annotation,
]


def handler_of(code):
    @durable
    async def handler(event, ctx):
        return await code(ctx)

    return handler


def line_of(code):
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - read at once
        lines = list(enumerate(file, start=1))
    return next(at for at, line in lines if at > code.__code__.co_firstlineno and line.endswith("# limits\n"))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("code", LIMITS)
def test_explore_warns_of_a_limit_around_a_durable_call(code):
    found = explore(handler_of(code), most=3)
    assert found.failures == []
    (warning,) = (one for one in found.warnings if "by the clock" in one)
    assert warning.startswith(f"{__file__}:{line_of(code)}: asyncio.")
    assert "limits a durable call by the clock; that is not recorded, and begins anew in each invocation" in warning
    assert warning in found.report()


async def in_a_step(ctx):
    async def body():
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return await asyncio.wait_for(work(), 5)

    return await ctx.step(body)


async def without_a_limit(ctx):
    await asyncio.wait([ctx.step(work)])
    await asyncio.wait([ctx.step(work)], timeout=None)
    return await asyncio.wait_for(ctx.step(work), None)


async def around_something_else(ctx):
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
    return await ctx.step(work, 2)


async def a_race(ctx):
    return (await ctx.race([ctx.step(work), ctx.wait(5)]))[1]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("code", [in_a_step, without_a_limit, around_something_else, a_race])
def test_it_does_not_warn_of_others(code):
    found = explore(handler_of(code), most=3)
    assert [one for one in found.warnings if "clock" in one or "timeout of asyncio" in one] == []


async def expires(ctx):
    call = ctx.step(slow, name="slow")
    try:
        async with asyncio.timeout(1):
            await call  # waits
    except TimeoutError:
        await ctx.step(work, name="late")
    await ctx.wait(timedelta(hours=1))


def test_a_timeout_that_expires_is_named_wherever_it_is_written():
    found = explore(handler_of(expires), most=3)
    line = expires.__code__.co_firstlineno + 4
    says = f"a timeout of asyncio ends the wait for a durable call, at test_explore_timeouts.py:{line} in expires"
    assert any(one.startswith(says) for one in found.warnings)


async def depends_on_it(ctx):
    try:
        async with asyncio.timeout(1):  # limits
            await ctx.step(slow, name="slow")
    except TimeoutError:
        await ctx.step(work, name="late")
    await ctx.wait(timedelta(hours=1))


def test_it_is_named_as_the_cause_of_what_does_not_survive():
    found = explore(handler_of(depends_on_it), most=10)
    assert found.failures
    cause = f"asyncio.timeout() at {__file__}:{line_of(depends_on_it)}"
    assert any(cause in failure.differed for failure in found.failures)
