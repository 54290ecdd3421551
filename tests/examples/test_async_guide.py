"""Each handler that docs/async.md quotes, and what that page says of asyncio around durable calls."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from examples.operations import async_guide
from powertools_durable import Retry, StepError, durable
from powertools_durable.testing import Simulator

HOUR = timedelta(hours=1)


async def work() -> str:
    return "done"


async def slow() -> str:
    await asyncio.sleep(5)
    return "done"


def test_rooms_are_confirmed_at_the_same_time():
    run = Simulator(async_guide.plan).start("rome").finish()
    confirmed = [f"booked rome-hotel-{number}, confirmed" for number in (1, 2)]
    assert (run.status, run.result) == ("SUCCEEDED", ["sun in rome", *confirmed])
    assert len(run.invocations) == 2


def test_a_call_begins_before_it_is_awaited():
    run = Simulator(async_guide.begin_early).start("rome").finish()
    assert run.result == ["sun in rome", "car in rome"]
    assert [record.name for record in run.operations] == ["rent", "forecast"]


def test_a_block_is_left_at_a_suspension_and_entered_again(monkeypatch):
    monkeypatch.setattr(async_guide, "LOG", [])
    run = Simulator(async_guide.report).start("hello").finish()
    assert (run.result, async_guide.LOG) == ("sent hello", ["open", "close"] * 2)


@pytest.mark.parametrize("is_answered", [True, False])
def test_support_has_two_days(is_answered):
    run = Simulator(async_guide.answer).start("why?")
    if is_answered:
        run.callback("support").succeed("because")
    run.advance(timedelta(days=2))
    assert run.result == ("because" if is_answered else "nobody knows")


def test_a_task_that_only_warms_a_cache_keeps_nothing_open(caplog):
    caplog.set_level(logging.WARNING)
    run = Simulator(async_guide.impatient).start("rome").finish()
    assert (run.result, len(run.invocations)) == ("sun in rome", 2)
    assert "in warm_up_cache" in caplog.text


@pytest.mark.parametrize(
    ("shops", "result"), [(["aldi", "rewe"], "aldi for 4"), (["closed", "rewe"], "closed failed first")]
)
def test_the_first_to_end_wins_and_a_failure_does_too(shops, result):
    assert Simulator(async_guide.fastest).start(shops).finish().result == result


# -- what the page says of asyncio ------------------------------------------------------------------------------


async def by_timeout(ctx):
    async with asyncio.timeout(2):
        return await ctx.step(slow)


async def by_wait_for(ctx):
    return await asyncio.wait_for(ctx.step(slow), 2)


async def by_timeout_around_a_gather(ctx):
    async with asyncio.timeout(2):
        return (await asyncio.gather(ctx.step(slow)))[0]


async def by_wait(ctx):
    done, _ = await asyncio.wait([ctx.step(slow)], timeout=2)
    if not done:
        raise TimeoutError


@pytest.mark.parametrize("limited", [by_timeout, by_wait_for, by_timeout_around_a_gather, by_wait])
def test_a_timeout_ends_the_waiting_with_a_warning_and_the_step_comes_to_its_end(limited, caplog):
    @durable
    async def handler(_: dict, ctx) -> str:
        try:
            return await limited(ctx)
        except TimeoutError:
            return "late"

    run = Simulator(handler).start({}).finish()
    assert (run.result, run.operation("slow").status) == ("late", "SUCCEEDED")
    (warning,) = [record.getMessage() for record in caplog.records if "timeout of asyncio" in record.getMessage()]
    assert f"in {limited.__name__};" in warning


def test_a_timeout_around_what_is_not_durable_is_not_warned_of(caplog):
    async def limited():
        async with asyncio.timeout(2):
            return await slow()

    @durable
    async def handler(_: dict, ctx) -> str:
        try:
            await ctx.step(limited, retry=Retry.none())
        except StepError:
            pass
        try:
            return await limited()
        except TimeoutError:
            return "late"

    assert Simulator(handler).start({}).finish().result == "late"
    assert "timeout of asyncio" not in caplog.text


def test_a_timeout_around_a_wait_begins_anew_in_each_invocation():
    @durable
    async def handler(_: dict, ctx) -> str:
        async with asyncio.timeout(2):
            await ctx.wait(HOUR)
        return "in time"

    assert Simulator(handler).start({}).finish().result == "in time"


async def group_of_tasks(ctx):
    async with asyncio.TaskGroup() as group:
        group.create_task(fails())
        waits = group.create_task(holds(ctx))
    return waits.result()


async def fails():
    raise LookupError("no")


async def holds(ctx):
    try:
        await ctx.wait(HOUR)
    except asyncio.CancelledError:
        async_guide.LOG.append("cancelled")
        raise


def test_a_task_group_cancels_the_other_tasks_and_raises_a_group(monkeypatch):
    monkeypatch.setattr(async_guide, "LOG", [])

    @durable
    async def handler(_: dict, ctx) -> str:
        try:
            return await group_of_tasks(ctx)
        except* LookupError:
            pass
        return await ctx.step(work)

    assert Simulator(handler).start({}).finish().result == "done"
    assert async_guide.LOG == ["cancelled"]


def test_swallowing_a_cancellation_changes_nothing(caplog):
    @durable
    async def handler(_: dict, ctx) -> str:
        try:
            await ctx.wait(HOUR)
        except BaseException:  # noqa: BLE001 - what is tested
            pass
        return await ctx.step(work)

    run = Simulator(handler).start({}).finish()
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "done", 2)
    assert "caught the signal that suspends the execution" in caplog.text


async def through_as_completed(ctx):
    async def one():
        return await ctx.step(work)

    for each in asyncio.as_completed([one(), one()]):
        await each


async def through_a_callback(ctx):
    ended = asyncio.get_running_loop().create_future()

    async def one():
        try:
            await ctx.step(work)
        finally:
            ended.set_result(None)

    asyncio.get_running_loop().call_later(0.1, lambda: tasks.append(asyncio.ensure_future(one())))
    tasks = []
    await ended


async def through_a_thread(ctx):
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, ctx.step, work)


async def through_a_factory(ctx):
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))
    await ctx.step(work)


async def inside_a_step(ctx):
    async def body():
        await ctx.step(work)

    await ctx.step(body)


async def on_the_outer_context(ctx):
    await ctx.map(lambda _, __: ctx.step(work), [1])


async def with_a_plain_with(ctx):
    with ctx.saga():
        pass


async def race_of_nobody(ctx):
    await ctx.race([])


REFUSED = {
    through_as_completed: "has no place among the handler's tasks",
    through_a_callback: "has no place among the handler's tasks",
    through_a_thread: "from a thread without the handler's event loop",
    through_a_factory: "after a task factory was set",
    inside_a_step: "inside the body of step 'body'",
    on_the_outer_context: "on a context other than the one whose code is running",
    with_a_plain_with: "write 'async with ctx.saga()'",
    race_of_nobody: "there are no contestants",
}


@pytest.mark.parametrize("misuse", REFUSED, ids=lambda misuse: misuse.__name__)
def test_what_the_page_lists_is_refused_with_what_to_write(misuse):
    @durable
    async def handler(_: dict, ctx) -> None:
        await misuse(ctx)

    run = Simulator(handler).start({}).finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert REFUSED[misuse] in run.error.error_message


def test_a_forgotten_await_is_named():
    @durable
    async def handler(_: dict, ctx) -> str:
        return ctx.create_callback(name="a").callback_id

    run = Simulator(handler).start({}).finish()
    assert "a DurableTask has no attribute 'callback_id'; await the call" in run.error.error_message
