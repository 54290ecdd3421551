"""A handler whose every step leaves a line in a file: what test_kill.py kills."""

from __future__ import annotations

import asyncio
import os
import time

from powertools_durable import AsyncDurableContext, DurableContext, Retry, durable


def effect(log: str, name: str) -> str:
    """Append a line in one write: what is in the file happened."""
    with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    time.sleep(0.01)
    return name


def flaky(log: str, name: str) -> str:
    effect(log, name)
    with open(log, encoding="utf-8") as file:  # noqa: PTH123
        if file.read().count(f"{name}\n") < 2:
            raise ConnectionError("busy")
    return name


@durable
async def awaiting(event: dict, ctx: AsyncDurableContext) -> list[str]:
    """Does the same in tasks side by side."""
    log = event["log"]

    async def below(child: AsyncDurableContext) -> list[str]:
        inner = await asyncio.gather(*(child.step(effect, log, f"child-{n}", name=f"child-{n}") for n in range(4)))
        await child.wait(60, name="pause-below")
        return [*inner, await child.step(effect, log, "child-4", name="child-4")]

    async def early() -> list[str]:
        done = list(await asyncio.gather(*(ctx.step(effect, log, f"step-{n}", name=f"step-{n}") for n in range(6))))
        await ctx.wait(3600, name="pause")
        retry = Retry(max_attempts=50, initial_delay=1)
        return [*done, await ctx.step(flaky, log, "flaky", name="flaky", retry=retry)]

    async with asyncio.TaskGroup() as group:
        first = group.create_task(early())
        second = ctx.run_in_child_context(below, name="child")
    approval = await ctx.create_callback(name="approval")
    await ctx.step(effect, log, "asked", name="asked")
    answer = await approval.result()
    return [*first.result(), *await second, answer, await ctx.step(effect, log, "last", name="last")]


@durable
def handler(event: dict, ctx: DurableContext) -> list[str]:
    log = event["log"]
    done = [ctx.step(effect, log, f"step-{n}", name=f"step-{n}") for n in range(6)]
    ctx.wait(3600, name="pause")
    done.append(ctx.step(flaky, log, "flaky", name="flaky", retry=Retry(max_attempts=50, initial_delay=1)))

    def below(child: DurableContext) -> list[str]:
        inner = [child.step(effect, log, f"child-{n}", name=f"child-{n}") for n in range(4)]
        child.wait(60, name="pause-below")
        return [*inner, child.step(effect, log, "child-4", name="child-4")]

    done += ctx.run_in_child_context(below, name="child")
    approval = ctx.create_callback(name="approval")
    ctx.step(effect, log, "asked", name="asked")
    done.append(approval.result())
    return [*done, ctx.step(effect, log, "last", name="last")]
