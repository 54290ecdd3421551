"""Handlers whose result depends on the order in which their tasks are handed results, and what each run of them saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from powertools_durable import AsyncDurableContext, Nesting, durable

RUNS: list[list[Any]] = []
"""What each invocation saw, in that order."""

_CHANCE = Random()


def begin(seed: object) -> None:
    """Begin an execution: forget what others saw, and let bodies take other times."""
    RUNS.clear()
    _CHANCE.seed(seed)


def note(what: Any) -> Any:
    """Note that the code was handed a result."""
    RUNS[-1].append(what)
    return what


async def works(value: Any) -> Any:
    """Take some time, another one in each run."""
    await asyncio.sleep(_CHANCE.choice((0, 0, 0.0004, 0.001, 0.003, 0.02)))
    return value


def works_on_a_thread(value: Any) -> Any:
    """Take as long as the threads let it."""
    return value


PROGRAMS: dict[str, Any] = {}


def program(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a handler whose result is what its last run saw."""

    @durable
    async def handler(event: Any, ctx: AsyncDurableContext) -> list[Any]:
        RUNS.append([])
        await function(ctx)
        return RUNS[-1]

    PROGRAMS[function.__name__] = handler
    return handler


@program
async def pool_of_workers(ctx):
    queue = asyncio.Queue()
    for number in range(7):
        queue.put_nowait(number)

    async def worker(name):
        while not queue.empty():
            number = queue.get_nowait()
            await ctx.step(works, number, name=f"item {number}")
            note([name, number])

    await asyncio.gather(*(worker(name) for name in "abc"))
    await ctx.wait(5)


@program
async def workers_with_threads(ctx):
    queue = asyncio.Queue()

    async def worker(name):
        while True:
            number = await queue.get()
            await ctx.step(works_on_a_thread, number)
            note([name, number])
            queue.task_done()

    workers = [asyncio.create_task(worker(name)) for name in "abc"]
    for number in range(6):
        await queue.put(number)
    await queue.join()
    for task in workers:
        task.cancel()
    await ctx.wait(5)


@program
async def first_completed(ctx):
    left = {ctx.step(works, number, name=f"step {number}"): number for number in range(4)}
    left[ctx.wait(3, name="short")] = "short"
    left[ctx.wait(5, name="long")] = "long"
    later = ["late", "later"]
    while left:
        done, _ = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            note(left.pop(task))
            if later and len(left) < 4:
                word = later.pop()
                left[ctx.step(works, word)] = word


@program
async def as_completed(ctx):
    async def two(number):
        await ctx.step(works, number)
        return await ctx.step(works, -number)

    tasks = [asyncio.create_task(two(number)) for number in range(1, 5)]
    for task in asyncio.as_completed([*tasks, ctx.step(works, 0)]):
        note(await task)
    await ctx.wait(1)


@program
async def child_contexts(ctx):
    async def inside(child, number):
        for at in range(3):
            note(await child.step(works, [number, at]))
        await child.wait(1)

    await asyncio.gather(*(ctx.run_in_child_context(inside, number, virtual=True) for number in range(3)))


@program
async def flat_branches(ctx):
    async def item(child, number):
        for at in range(2):
            note(await child.step(works, [number, at]))
        await child.wait(1 + number % 2)
        note(await child.step(works, [number, "end"]))

    await ctx.map(item, range(4), nesting=Nesting.FLAT, max_concurrency=3)


@program
async def batches(ctx):
    async def inside(name):
        async with ctx.batch():
            for at in range(3):
                note(await ctx.step(works, [name, at]))

    await asyncio.gather(inside("a"), inside("b"))
    note(await ctx.step(works, "between"))
    async with ctx.batch():
        for at in range(3):
            note(await ctx.step(works, ["last", at]))
    await ctx.wait(1)


@program
async def nested_groups(ctx):
    async def leaf(name):
        note(await ctx.step(works, name))

    async def group(name):
        async with asyncio.TaskGroup() as tasks:
            for at in range(2):
                tasks.create_task(leaf(f"{name}{at}"))
        note(name)
        await ctx.wait(2)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(group(name))
    note("end")


@program
async def lock_and_semaphore(ctx):
    lock, two = asyncio.Lock(), asyncio.Semaphore(2)

    async def task(name):
        async with two:
            note([name, await ctx.step(works, "in")])
            async with lock:
                note([name, await ctx.step(works, "alone")])
        await ctx.wait(1)
        note(name)

    await asyncio.gather(*map(task, "abcd"))


@program
async def reversed_order(ctx):
    async def follow(task):
        note(await task)

    calls = [ctx.step(works, number) for number in range(4)]
    await asyncio.gather(*(follow(call) for call in reversed(calls)))
    await ctx.wait(1)
