"""How many requests tasks make: what all of them queue before the loop has nothing left to run shares one."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from powertools_durable import durable
from powertools_durable._service.host import Host
from powertools_durable.testing import Simulator
from tests.guards.counts import Invocation


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


async def coroutine(number):
    return number


def function(number):
    return number


@pytest.mark.parametrize("body", [coroutine, function, partial(coroutine)], ids=["async", "def", "partial"])
def test_a_new_step_is_one_request_of_two_updates_as_in_a_def_handler(body):
    """Failed with the START of a step awaited, and with a sender that is woken for it when the loop is idle."""

    @durable
    async def handler(_: dict, ctx) -> None:
        for number in range(30):
            await ctx.step(body, number)

    invocation = Invocation(handler)
    assert invocation.run()["Status"] == "SUCCEEDED"
    assert [[update.action.value for update in request] for request in invocation.service.requests] == [
        ["START", "SUCCEED"]
    ] * 30


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


def test_code_that_polls_for_a_result_is_handed_the_only_one(caplog):
    """Failed with the task that had ended asked whether it is true, which is refused as a forgotten ``await``."""

    @durable
    async def handler(_: dict, ctx) -> int:
        task = ctx.step(coroutine, 1)
        while not task.done():  # noqa: ASYNC110 - what it is about
            await asyncio.sleep(0)
        return task.result()

    invocation = Invocation(handler)
    assert invocation.run() == {"Status": "SUCCEEDED", "Result": "1"}
    assert len(invocation.service.requests) == 1
    assert "tasks keep the event loop busy" in caplog.text
