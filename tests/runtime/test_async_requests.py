"""How many requests tasks make: what all of them queue before the loop has nothing left to run shares one."""

from __future__ import annotations

import asyncio

import pytest

from powertools_durable import durable
from powertools_durable._service.host import Host
from powertools_durable.testing import Simulator


@pytest.fixture
def requests(monkeypatch):
    """Each request of the handler."""
    made = []
    original = Host.checkpoint

    def checkpoint(host, *arguments):
        made.append(arguments)
        return original(host, *arguments)

    monkeypatch.setattr(Host, "checkpoint", checkpoint)
    return made


@pytest.mark.parametrize("count", [1, 10, 100])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_tasks_side_by_side_need_as_many_requests_as_one_alone(requests, count, steps):
    async def work(number):
        return number

    async def several(ctx, number):
        for _ in range(steps):
            number = await ctx.step(work, number)
        return number

    @durable
    async def handler(_: dict, ctx) -> list[int]:
        return await asyncio.gather(*[several(ctx, number) for number in range(count)])

    run = Simulator(handler).start({}).finish()
    assert run.result == list(range(count))
    assert len(requests) == steps
