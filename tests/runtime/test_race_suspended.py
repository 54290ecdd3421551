"""A race that is open when the execution is suspended has no winner, wherever in the tree of tasks it runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from powertools_durable import durable
from powertools_durable.testing import Simulator


async def submit(callback_id: str) -> None:
    """Send the id."""


async def hold(ctx):
    return await ctx.wait(timedelta(days=9))


CONTESTANTS = {
    "a wait": lambda ctx: ctx.wait(timedelta(days=9)),
    "a callback with its submitter": lambda ctx: ctx.wait_for_callback(submit),
    "a child context": lambda ctx: ctx.run_in_child_context(hold),
    "a map": lambda ctx: ctx.map(lambda child, _: hold(child), [1, 2]),
    "a coroutine": hold,
    "a race": lambda ctx: ctx.race([hold(ctx)]),
}


def places(race):
    """Return functions of a context that run *race* at different places."""

    async def in_the_handler(ctx):
        return await race(ctx)

    async def in_a_child(ctx):
        return await ctx.run_in_child_context(race)

    async def in_a_task(ctx):
        return await asyncio.create_task(race(ctx))

    async def in_a_child_of_a_task_of_a_group(ctx):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(in_a_child(ctx))
        return task.result()

    async def in_a_gather_of_branches(ctx):
        (batch,) = await asyncio.gather(ctx.map(lambda child, _: in_a_child(child), [1]))
        return batch.results[0]

    return [in_the_handler, in_a_child, in_a_task, in_a_child_of_a_task_of_a_group, in_a_gather_of_branches]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("contestant", CONTESTANTS)
@pytest.mark.parametrize("cancel", [False, True])
def test_what_a_suspension_cancels_does_not_win(place, contestant, cancel):
    async def race(ctx):
        contestants = {"slow": CONTESTANTS[contestant](ctx), "quick": ctx.wait(timedelta(days=1))}
        winner, _ = await ctx.race(contestants, cancel=cancel)
        return winner

    function = places(race)[place]

    @durable
    async def handler(_: dict, ctx):
        return await function(ctx)

    run = Simulator(handler).start({})
    assert "Race" not in [record.sub_type for record in run.operations]
    run.advance(timedelta(days=1))
    assert (run.status, run.result) == ("SUCCEEDED", "quick")
