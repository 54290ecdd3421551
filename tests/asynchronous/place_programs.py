"""Handlers that make durable calls in tasks of many kinds. Ids come from where a task is made, not from when it runs.

``history_of`` runs on any Python version: ids and results must be the same on all of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from powertools_durable import AsyncDurableContext, Nesting, durable
from powertools_durable._hosting import invoker_of
from powertools_durable._runtime.environment import Environment
from powertools_durable.testing import Simulator

PROGRAMS: dict[str, Any] = {}
CACHE: dict[str, str] = {}


def program(handler: Callable[..., Any]) -> Any:
    """Make a handler of it."""
    made = durable(handler)
    PROGRAMS[handler.__name__] = made
    return made


async def works(value: Any) -> Any:
    """Do something on the event loop."""
    await asyncio.sleep(0)
    return value


def works_on_a_thread(value: Any) -> Any:
    """Do something on a thread."""
    return value


async def three(ctx: AsyncDurableContext, name: Any) -> list[Any]:
    """Make three durable calls."""
    first = await ctx.step(works, f"{name}-1")
    await ctx.wait(1)
    return [first, await ctx.step(works_on_a_thread, f"{name}-3")]


@program
async def gathered(event, ctx):
    return await asyncio.gather(*(three(ctx, number) for number in range(5)))


@program
async def grouped(event, ctx):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(three(ctx, number)) for number in range(3)]
        call = group.create_task(ctx.step(works, "a call is a task already"))
    return [[task.result() for task in tasks], call.result()]


@program
async def created(event, ctx):
    first = asyncio.create_task(three(ctx, "a"), name="any name")
    between = await ctx.step(works, "between")
    second = asyncio.create_task(three(ctx, "b"))
    return [await second, between, await first]


@program
async def nested(event, ctx):
    async def inner(name):
        return await asyncio.gather(three(ctx, f"{name}x"), ctx.step(works, name), three(ctx, f"{name}y"))

    return await asyncio.gather(inner("a"), inner("b"), ctx.run_in_child_context(three, "c"))


@program
async def in_branches(event, ctx):
    async def branch(child, number):
        return await asyncio.gather(three(child, number), three(child, -number))

    nested = await ctx.map(branch, [1, 2], max_concurrency=2)
    flat = await ctx.map(branch, [3, 4], nesting=Nesting.FLAT)
    return [nested.results, flat.results]


@program
async def in_children(event, ctx):
    async def child(below, number):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(three(below, f"{number}{at}")) for at in "ab"]
        return [task.result() for task in tasks]

    return await asyncio.gather(
        ctx.run_in_child_context(child, 1), ctx.run_in_child_context(child, 2, virtual=True), three(ctx, 3)
    )


@program
async def with_odd_names(event, ctx):
    """Names that would make two places one, if they were only put together."""

    def named(name, *parts):
        async def coroutine():
            found = await ctx.step(works, name)
            return [found, *[await asyncio.create_task(part()) for part in parts]]

        coroutine.__name__ = name
        return coroutine

    odd = [named("a", named("b-1")), named("a-1-task-b"), named("a%2D1"), named("task"), named("<lambda>")]
    found = [await asyncio.create_task(one()) for one in odd]
    return [*found, await asyncio.gather(*(one() for one in odd))]


@program
async def with_a_cold_start(event, ctx):
    """Only every other invocation makes the tasks that fill a cache."""

    async def fill():
        await asyncio.sleep(0)
        CACHE["filled"] = "yes"

    if int(ctx.lambda_context.aws_request_id.rpartition("-")[2]) % 2:
        cold = [asyncio.create_task(fill()), asyncio.create_task(fill())]
        first = await asyncio.gather(three(ctx, "a"), three(ctx, "b"))
        await asyncio.gather(*cold)
    else:
        first = await asyncio.gather(three(ctx, "a"), three(ctx, "b"))
    return [first, await asyncio.gather(three(ctx, "c"), ctx.step(works, "d"))]


@program
async def waited_for(event, ctx):
    """`wait_for` makes a task on Python 3.11, and none on 3.12."""
    found = await asyncio.wait_for(three(ctx, "a"), 600)
    both = await asyncio.gather(asyncio.wait_for(three(ctx, "b"), 600), three(ctx, "c"))
    await asyncio.wait_for(ctx.step(works, "d"), None)

    async def inner():
        return await asyncio.wait_for(three(ctx, "e"), 600)

    return [found, both, await asyncio.create_task(inner())]


@program
async def shielded(event, ctx):
    return [await asyncio.shield(three(ctx, "a")), await asyncio.shield(ctx.step(works, "b"))]


@program
async def completed(event, ctx):
    tasks = [asyncio.create_task(three(ctx, number)) for number in range(3)]
    found = [await task for task in asyncio.as_completed([*tasks, ctx.step(works, "call")])]
    done, left = await asyncio.wait([asyncio.create_task(three(ctx, 9)), ctx.step(works, 8)])
    return [sorted(map(str, found)), len(done), len(left)]


@program
async def workers(event, ctx):
    """Which worker takes what depends on the order of results; what each item comes to does not."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    found: dict[int, Any] = {}

    async def worker():
        while True:
            number = await queue.get()
            found[number] = await ctx.run_in_child_context(three, number, name=f"item {number}")
            queue.task_done()

    tasks = [asyncio.create_task(worker()) for _ in range(3)]
    for number in range(7):
        queue.put_nowait(number)
    await queue.join()
    for task in tasks:
        task.cancel()
    return sorted(found.items())


@program
async def limited(event, ctx):
    lock, two = asyncio.Lock(), asyncio.Semaphore(2)

    async def task(name):
        async with two:
            first = await ctx.step(works, name)
            async with lock:
                return [first, *(await three(ctx, name))]

    return await asyncio.gather(*map(task, "abcd"))


@program
async def drawn(event, ctx):
    """What is drawn, and marks of changes, belong to the place too."""

    async def draws(name):
        first = [str(ctx.uuid4()), ctx.random.random(), ctx.patched("change")]
        await ctx.step(works, name)
        return [*first, str(ctx.uuid4()), ctx.random.random()]

    return await asyncio.gather(draws("a"), draws("b"), draws("c"))


@program
async def undone(event, ctx):
    """Compensations run by where their steps were called, last first, whichever ended first."""
    order: list[str] = []

    async def undo(name):
        order.append(name)

    async def two(name):
        for at in (1, 2):
            await ctx.step_with_compensation(works, f"{name}{at}", compensate=undo)

    await asyncio.gather(two("a"), two("b"))
    result = await ctx.run_compensations()
    return [[item.name, item.status] for item in result.items]


def history_of(name: str, seed: int = 0) -> tuple[Any, list[list[Any]]]:
    """Return the result, and what is recorded of each operation."""
    run = Simulator(PROGRAMS[name], seed=seed).start({}, name=name.replace("_", "-")).finish()
    try:
        assert run.status == "SUCCEEDED", run.error
        return run.result, records_of(run.history())
    finally:
        run.close()


def records_of(events: list[dict[str, Any]]) -> list[list[Any]]:
    """Return what is recorded of each operation, in the order of ids."""
    found = {
        event["Id"]: [event["Id"], event.get("ParentId"), event.get("Name"), event.get("SubType")]
        for event in events
        if not event["EventType"].startswith(("Execution", "Invocation"))
    }
    return [found[identifier] for identifier in sorted(found)]


class _Silent:
    """A service that nothing may be sent to."""

    def checkpoint(self, arn: str, checkpoint_token: str, updates: Any, client_token: str) -> Any:
        raise AssertionError([update.name for update in updates])

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> Any:
        raise AssertionError(marker)


def replayed(name: str, history: dict[str, Any]) -> dict[str, Any]:
    """Invoke a program with a history in which everything is done already; return its answer."""
    event = {
        "DurableExecutionArn": history["arn"],
        "CheckpointToken": "token",
        "InitialExecutionState": {"Operations": history["operations"], "NextMarker": ""},
    }
    lambda_context = SimpleNamespace(aws_request_id="invocation-2", get_remaining_time_in_millis=lambda: 60_000)
    answer: Any = invoker_of(PROGRAMS[name], backend=_Silent(), environment=Environment())(event, lambda_context)
    return {**answer, "Result": json.loads(answer["Result"])}
