"""What many contexts side by side cost the runtime: counted in calls, not in time."""

from __future__ import annotations

import asyncio
import cProfile

import pytest

from powertools_durable import durable
from powertools_durable.testing import Simulator


async def work(number):
    return number


async def child(ctx, number):
    return await ctx.step(work, number)


@durable
async def gathers(count, ctx):
    return sum(await asyncio.gather(*(ctx.run_in_child_context(child, number) for number in range(count))))


@durable
async def maps(count, ctx):
    return sum((await ctx.map(child, range(count))).results)


def calls_of(handler, count):
    profile = cProfile.Profile()
    run = Simulator(handler).prepare(count)
    with profile:
        run.settle()
    assert run.result == count * (count - 1) // 2
    ours = (entry for entry in profile.getstats() if "_runtime" in getattr(entry.code, "co_filename", ""))
    return sum(entry.callcount for entry in ours)  # the simulator chooses among all bodies that are done


@pytest.mark.slow
@pytest.mark.parametrize("handler", [gathers, maps], ids=["gather", "map"])
def test_four_times_as_many_contexts_cost_about_four_times_as_much(handler):
    calls_of(handler, 10)  # imports
    assert calls_of(handler, 400) < 4.4 * calls_of(handler, 100)
