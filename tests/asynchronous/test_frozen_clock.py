"""A clock that stands still, as a test may have it, holds up no request of an ``async def`` handler."""

from __future__ import annotations

import asyncio

from powertools_durable import durable
from tests.reliability.rig import Run
from tests.reliability.wire import wired


async def one(number):
    return number


@durable
async def handler(event, ctx):
    total = 0
    for _ in range(3):
        total += sum(await asyncio.gather(*(ctx.step(one, number) for number in range(3))))
    return total


def test_requests_are_kept_apart_by_waiting_and_not_by_the_clock_alone():
    with wired() as wire:
        execution = Run(handler, over=wire)
        execution.settle()
        execution.finish()
    assert execution.result == 9
