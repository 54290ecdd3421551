"""Async handlers that are right."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from powertools_durable import AsyncDurableContext, CallbackTimeoutError, Polling, Retry, durable

logger = logging.getLogger(__name__)
RATES = {"EUR": 1.08, "CHF": 1.12}


class Job(BaseModel):
    id: str
    pages: int = 0
    status: str = "new"


async def fetch(url):
    reader, writer = await asyncio.open_connection(url, 443)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    text = await reader.read()
    writer.close()
    return text.decode()


async def rate(currency):
    await asyncio.sleep(random.random())
    return RATES[currency]


async def render(job):
    return job.model_copy(update={"status": "done", "pages": 3})


def at_night():
    return datetime.now(UTC).hour < 6


async def send(text):
    logger.info("sending %s at %s", text, time.time())


@durable
async def rates(currencies: list[str], ctx: AsyncDurableContext) -> list[float]:
    return await asyncio.gather(*[ctx.step(rate, currency, name=currency) for currency in currencies])


@durable
async def pages(urls: list[str], ctx: AsyncDurableContext) -> dict[str, int]:
    sizes = {}
    async with asyncio.TaskGroup() as group:
        tasks = {url: group.create_task(size(ctx, url)) for url in urls}
    for url, task in tasks.items():
        sizes[url] = task.result()
    return sizes


async def size(ctx, url):
    text = await ctx.step(fetch, url, name=f"fetch {url}")
    return len(text)


@durable
async def night_shift(job: Job, ctx: AsyncDurableContext) -> str:
    if await ctx.step(at_night):
        await ctx.wait(timedelta(hours=6), name="until-morning")
    return (await ctx.step(render, job)).status


@durable
async def answer_in_time(question: str, ctx: AsyncDurableContext) -> str:
    reply = ctx.wait_for_callback(send, name="support", returns=str)
    winner, text = await ctx.race({"reply": reply, "late": ctx.wait(timedelta(days=2), name="late")}, name="first")
    return str(text) if winner == "reply" else "nobody knows"


@durable
async def polls(job: Job, ctx: AsyncDurableContext) -> int:
    async def check(state):
        return state.model_copy(update={"pages": state.pages + 1})

    done = await ctx.wait_for_condition(
        check, initial=job, polling=Polling.every(60, lambda state: state.pages >= 3), name="rendered"
    )
    return done.pages


@durable
async def approve(job: Job, ctx: AsyncDurableContext) -> str:
    approval = await ctx.create_callback(name="approval", timeout=timedelta(days=1), returns=str)
    await ctx.step(send, approval.callback_id, name="ask")
    try:
        return await approval.result()
    except CallbackTimeoutError:
        await ctx.step(send, f"nobody approved {job.id}", name="give-up")
        return "timed out"


async def chapter(child: AsyncDurableContext, number: int) -> str:
    text = await child.step(fetch, f"chapter-{number}", name="load")
    return await child.step(summary, text)


async def summary(text):
    return text[:20]


@durable
async def book(numbers: list[int], ctx: AsyncDurableContext) -> str:
    batch = await ctx.map(chapter, numbers, max_concurrency=3, item_name=lambda number, _: f"chapter {number}")
    batch.raise_if_failed()
    return " ".join(batch.results)


@asynccontextmanager
async def timed(name):
    begin = time.monotonic()
    try:
        yield
    finally:
        logger.info("%s took %.1f s", name, time.monotonic() - begin)


@durable
async def with_timing(job: Job, ctx: AsyncDurableContext) -> str:
    async with timed("render"):
        job = await ctx.step(render, job)
    return job.status


@durable
async def lets_others_run(job: Job, ctx: AsyncDurableContext) -> int:
    total = 0
    for number in range(3):
        await asyncio.sleep(0)
        total += await ctx.step(double, number, name=f"double-{number}")
    return total


async def double(value):
    return value * 2


@durable
async def cancels_in_any_order(job: Job, ctx: AsyncDurableContext) -> str:
    tasks = {asyncio.create_task(double(number)) for number in range(3)}
    first = await ctx.step(render, job)
    for task in tasks:
        task.cancel()
    return first.status


@durable
async def saga(job: Job, ctx: AsyncDurableContext) -> str:
    async with ctx.saga() as undo:
        receipt = await ctx.step_with_compensation(render, job, compensate=send)
        undo.undo(send, "undo")
        await ctx.step(send, receipt.id, retry=Retry.none())
    return receipt.status


@durable
async def nested(job: Job, ctx: AsyncDurableContext) -> list[str]:
    async def visit(child: AsyncDurableContext, depth: int) -> str:
        text = await child.step(fetch, f"level-{depth}", name=f"level-{depth}")
        return text if depth == 0 else text + await visit(child, depth - 1)

    first = await ctx.run_in_child_context(visit, 1, name="tree-1")
    return [first, await ctx.run_in_child_context(visit, 2, name="tree-2")]


@durable
async def environment_in_a_step(job: Job, ctx: AsyncDurableContext) -> str:
    mode = await ctx.step(lambda: os.environ.get("MODE", "fast"), name="mode")
    if mode == "fast":
        return "skipped"
    return (await ctx.step(render, job)).status


@durable
async def environment_for_logs(job: Job, ctx: AsyncDurableContext) -> str:
    if os.getenv("DEBUG"):
        logger.debug("job %s", job.model_dump())
    region = os.environ.get("AWS_REGION", "local")
    logger.info("running in %s", region)
    return (await ctx.step(render, job)).status


@durable
async def patches(job: Job, ctx: AsyncDurableContext) -> str:
    if ctx.patched("second-proof"):
        await ctx.step(send, "proof", name="proof")
    return (await ctx.step(render, job)).status


@durable
async def invokes(job: Job, ctx: AsyncDurableContext) -> str:
    names = ["thumbnails:live", "captions:live"]
    results = await asyncio.gather(*(ctx.invoke(name, {"id": job.id}, name=name, returns=str) for name in names))
    return ",".join(results)
