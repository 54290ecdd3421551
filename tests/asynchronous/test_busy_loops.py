"""Code that polls for a result in a loop, and never lets the event loop become idle: it still gets the result."""

from __future__ import annotations

import asyncio

import pytest

from powertools_durable import durable
from powertools_durable.testing import Simulator, explore


async def work():
    return 1


def blocking_work():
    return 1


async def polled(task):
    while not task.done():  # noqa: ASYNC110 - what it is about
        await asyncio.sleep(0)
    return task.result()


CALLS = {
    "an async body": lambda ctx: ctx.step(work),
    "a blocking body": lambda ctx: ctx.step(blocking_work),
    "a child context": lambda ctx: ctx.run_in_child_context(lambda child: child.step(work)),
    "a gather": lambda ctx: asyncio.gather(ctx.step(work), ctx.step(blocking_work)),
    "a timer": lambda ctx: ctx.wait(2),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_simulator_ends_with_the_result(call):
    @durable
    async def handler(event, ctx):
        return await polled(CALLS[call](ctx))

    run = Simulator(handler).start().finish()
    assert run.status == "SUCCEEDED"
    assert run.result == {"a gather": [1, 1], "a timer": None}.get(call, 1)


def test_code_that_polls_for_what_never_comes_ends_with_its_invocation():
    """Looked like a hang: 15 minutes of virtual time took minutes."""

    @durable
    async def handler(event, ctx):
        if ctx.is_replaying:
            return "later"
        return await polled(await ctx.step(work) and asyncio.get_running_loop().create_future())

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "later")


@pytest.mark.slow
def test_it_survives_a_crash_at_every_moment():
    @durable
    async def handler(event, ctx):
        return [await polled(ctx.step(work)), await polled(ctx.step(blocking_work))]

    explore(handler)


def test_a_mistake_ends_code_that_polls():
    """The invocation ended only at its deadline."""

    @durable
    async def handler(event, ctx):
        async def misplaced():
            await ctx.step(work)

        task = ctx.step(misplaced)
        while True:
            await asyncio.sleep(0)
            if task is None:
                break

    run = Simulator(handler).start().finish()
    assert run.status == "FAILED"
    assert "inside the body of" in run.error.error_message
