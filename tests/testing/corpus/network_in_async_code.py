"""An awaited function opens a connection outside of a step."""

from __future__ import annotations

import asyncio

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "io"
SAYS = "connects to a host outside of any step"


async def ping(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def report(up):
    return str(up)


@durable
async def handler(event, ctx):
    return await ctx.step(report, await ping(9))
