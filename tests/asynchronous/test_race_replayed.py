"""`race(cancel=True)` on a replay: a loser gets no result that was recorded later, whatever the winner does."""

from __future__ import annotations

import asyncio

import pytest

from powertools_durable import durable
from powertools_durable.testing import Simulator


async def fast():
    await asyncio.sleep(0.5)
    return "fast"


async def slow():
    await asyncio.sleep(2)
    return "slow"


async def sleeps(ctx):
    await asyncio.sleep(0.01)
    return "fast"


async def a_step_and_then_a_thread(ctx):
    result = await ctx.step(fast)
    await asyncio.to_thread(int)
    return result


async def a_step_and_then_a_sleep(ctx):
    result = await ctx.step(fast)
    await asyncio.sleep(0.01)
    return result


async def a_step(ctx):
    return await ctx.step(fast)


@pytest.mark.parametrize("winner", [sleeps, a_step_and_then_a_thread, a_step_and_then_a_sleep, a_step])
def test_a_loser_goes_no_further_than_it_went(winner):
    """Failed for winners that await something that is not durable: the loser's next step was begun on the replay."""
    charged = []

    @durable
    async def handler(event, ctx):
        async def loser():
            await ctx.step(slow)
            await ctx.step(charge)

        async def charge():
            charged.append(1)

        won = await ctx.race({"winner": winner(ctx), "loser": loser()}, cancel=True)
        await ctx.wait(10)
        return list(won)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["winner", "fast"])
    assert charged == []


@pytest.mark.parametrize("winner", [sleeps, a_step_and_then_a_thread, a_step])
def test_others_that_await_the_loser_see_the_same(winner):
    @durable
    async def handler(event, ctx):
        async def watched():
            try:
                return await loser
            except asyncio.CancelledError:
                return "cancelled"

        loser = ctx.step(slow)
        watcher = asyncio.create_task(watched())
        won = await ctx.race({"winner": winner(ctx), "loser": loser}, cancel=True)
        seen.append(await watcher)
        await ctx.wait(10)
        return list(won)

    seen = []
    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["winner", "fast"])
    assert seen == ["cancelled", "cancelled"]
