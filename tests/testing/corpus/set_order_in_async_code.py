"""Steps are gathered for the items of a set, whose order differs between processes."""

from __future__ import annotations

import asyncio

from powertools_durable import durable

EVENT = ["a", "b"]
DOCTOR = "set-order"
SAYS = "depends on the order of a set"


async def upper(name):
    return name.upper()


@durable
async def handler(event, ctx):
    missing = set(event) - {"z"}
    return await asyncio.gather(*[ctx.step(upper, name, name=name) for name in missing])
