"""Async handlers for ``doctor``: one with everything that it finds, and some that are right."""

# ruff: noqa: ASYNC110, ASYNC210, ASYNC251 - it is what doctor finds
from __future__ import annotations

import asyncio
import time
import urllib.request
from datetime import timedelta

import boto3
import urllib3

from powertools_durable import AsyncDurableContext, DurableContext, durable

table = boto3.client("dynamodb", region_name="us-east-1")


async def fetch(url):
    time.sleep(1)
    urllib3.request("GET", url, timeout=1)
    urllib.request.urlopen(url)
    table.get_item(TableName="orders", Key={})
    return await deeper(url)


async def deeper(url):
    bucket = boto3.client("s3")
    bucket.get_object(Bucket="orders", Key=url)


async def double(value):
    await asyncio.sleep(1)
    return value * 2


def on_a_thread(url):
    time.sleep(1)
    return urllib3.request("GET", url, timeout=1)


@durable
async def ill(event: dict, ctx: AsyncDurableContext) -> None:
    with ctx.saga():
        await ctx.step(fetch, "https://example.com")
    with ctx.batch():
        pass
    asyncio.run(double(1))
    ctx.wait(60, name="forgotten")
    await asyncio.sleep(5)
    time.sleep(6)
    queue = asyncio.Queue()

    async def worker():
        while True:
            item = await queue.get()
            await ctx.step(double, item)

    task = asyncio.create_task(worker())
    while not task.done():
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ctx.wait(60, name="limited")
    await asyncio.wait_for(ctx.step(double, 1), 5)
    await asyncio.wait([ctx.step(double, 3)], timeout=5)
    try:
        await ctx.step(double, 2)
    except asyncio.CancelledError:
        pass
    await ctx.stepp(double)
    ctx.get_remaining_time_in_millis()


@durable
async def well(event: dict, ctx: AsyncDurableContext) -> list[int]:
    one, two = await asyncio.gather(ctx.step(double, 1), ctx.step(on_a_thread, "https://example.com"))
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(pack(ctx, number))

    async def reminds():
        await ctx.wait(timedelta(hours=1), name="remind")

    paid = await ctx.create_callback(name="paid")
    won = await ctx.race({"paid": paid.result(), "remind": reminds(), "late": ctx.wait(60, name="late")})
    async with ctx.saga():
        await ctx.step(double, 1)
    results = await ctx.map(branch, [1, 2])
    headers = {}
    while len(headers) < 1:
        headers[headers.get("x")] = await ctx.step(double, 3)
    await asyncio.sleep(0)
    try:
        await asyncio.wait_for(asyncio.sleep(0), 1)
    except asyncio.CancelledError:
        raise
    ctx.defer(double, 1)
    return [one, two, won, *results.results]


async def pack(ctx, number):
    return await ctx.step(double, number, name="pack")


async def branch(child: AsyncDurableContext, item: int) -> int:
    return await child.step(double, item)


@durable
def mixed(event: dict, ctx: DurableContext) -> None:
    ctx.step(double, 1)
