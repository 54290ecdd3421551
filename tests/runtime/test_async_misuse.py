"""Durable calls of ``async def`` code that have no place: refused at the user's line, and final."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from datetime import timedelta

import pytest

from powertools_durable import DurableError, Retry, ValidationError, durable
from powertools_durable.testing import Simulator
from tests.leaks import started_threads

HOUR = timedelta(hours=1)


async def work(number=1):
    return number


async def in_a_step(ctx):
    async def body():
        await ctx.wait(HOUR)

    await ctx.step(body, retry=Retry.none())


async def in_a_task_of_a_step(ctx):
    async def below():
        await ctx.step(work)

    async def body():
        await asyncio.create_task(below())

    await ctx.step(body, retry=Retry.none())


async def in_a_task_of_a_step_with_other_variables(ctx):
    async def below():
        await ctx.step(work)

    async def body():
        await asyncio.create_task(below(), context=contextvars.Context())

    await ctx.step(body, retry=Retry.none())


async def in_the_thread_of_a_step(ctx):
    await ctx.step(lambda: ctx.wait(HOUR), name="lambda", retry=Retry.none())


async def on_a_thread_of_its_own(body):
    raised = []

    def run():
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():  # noqa: ASYNC110 - a thread sets no event
        await asyncio.sleep(0.001)
    raise raised[0]


async def on_a_thread(ctx):
    await on_a_thread_of_its_own(lambda: ctx.step(work))


async def on_another_loop(ctx):
    async def main():
        await ctx.step(work)

    await on_a_thread_of_its_own(lambda: asyncio.run(main()))


async def of_the_handler_in_a_branch(ctx):
    async def item(_, number):
        return await ctx.step(work, number)

    await ctx.map(item, [1])


async def of_a_branch_in_the_handler(ctx):
    kept = []
    await ctx.run_in_child_context(kept.append)
    await kept[0].step(work)


async def of_a_child_in_a_sibling(ctx):
    kept = []

    async def one(child):
        kept.append(child)
        await child.wait(HOUR)

    async def two(child):
        await child.step(work)
        await kept[0].step(work)

    await asyncio.gather(ctx.run_in_child_context(one), ctx.run_in_child_context(two))


async def a_callback_of_another_context(ctx):
    callback = await ctx.create_callback(name="paid")

    async def child(_):
        await callback.result()

    await ctx.run_in_child_context(child)


async def as_completed(ctx):
    async def task(number):
        return await ctx.step(work, number)

    for ended in asyncio.as_completed([task(1), task(2)]):
        await ended


async def from_call_soon(ctx):
    done = asyncio.Event()

    async def task():
        try:
            await ctx.step(work)
        finally:
            done.set()

    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: kept.append(loop.create_task(task())))
    kept = []
    await done.wait()
    await kept[0]


async def under_another_factory(ctx):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))
    await ctx.step(work)


async def while_a_series_runs(ctx):
    await ctx.step_with_compensation(work, compensate=work)
    undoing = ctx.run_compensations()
    await asyncio.sleep(0)
    await ctx.step(work)
    await undoing


async def in_a_policy(ctx):
    async def fails():
        raise KeyError

    await ctx.step(fails, retry=Retry(retry_if=lambda _: ctx.step(work)))


async def saga_as_with(ctx):
    with ctx.saga():
        await ctx.step(work)


async def batch_as_with(ctx):
    with ctx.batch():
        await ctx.step(work)


MISUSES = {
    in_a_step: "inside the body of step 'body'",
    in_a_task_of_a_step: "inside the body of step 'body'",
    in_a_task_of_a_step_with_other_variables: "inside the body of step 'body'",
    in_the_thread_of_a_step: "inside the body of step 'lambda'",
    on_a_thread: "from a thread without the handler's event loop",
    on_another_loop: "from another event loop",
    of_the_handler_in_a_branch: "on a context other than the one whose code is running",
    of_a_branch_in_the_handler: "after its context has ended",
    of_a_child_in_a_sibling: "on a context other than the one whose code is running",
    a_callback_of_another_context: "on a callback of a context other than the one",
    as_completed: "from a task that has no place",
    from_call_soon: "from a task that has no place",
    under_another_factory: "a task factory was set",
    while_a_series_runs: "is under way in the same task",
    in_a_policy: "by the retry policy or the serdes of step 'fails'",
    saga_as_with: "write 'async with ctx.saga()'",
    batch_as_with: "write 'async with ctx.batch()'",
}
PLAIN = {saga_as_with, batch_as_with}  # refused without harm: no operation could be lost


@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: misuse.__name__)
def test_a_misplaced_call_fails_the_execution_and_names_the_line(misuse):
    @durable
    async def handler(event, ctx):
        await misuse(ctx)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert MISUSES[misuse] in run.error.error_message
    if misuse not in PLAIN:
        assert "test_async_misuse.py:" in run.error.error_message


@pytest.mark.parametrize("misuse", MISUSES.keys() - PLAIN, ids=lambda misuse: misuse.__name__)
def test_code_that_swallows_the_refusal_fails_all_the_same(misuse):
    @durable
    async def handler(event, ctx):
        try:
            await misuse(ctx)
        except BaseException:  # noqa: BLE001 - what it is about
            pass
        return "wrong"

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert MISUSES[misuse] in run.error.error_message


@pytest.mark.sampled(4)
@pytest.mark.parametrize("misuse", MISUSES, ids=lambda misuse: misuse.__name__)
def test_asyncio_logs_nothing_of_it_when_the_tasks_are_collected(misuse, caplog):
    @durable
    async def handler(event, ctx):
        await misuse(ctx)

    with caplog.at_level(logging.ERROR, "asyncio"):
        Simulator(handler).start().finish()
        gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_context_that_is_kept_over_invocations_is_refused():
    kept = []

    @durable
    async def handler(event, ctx):
        kept.append(ctx)
        return 1

    assert Simulator(handler).start().finish().result == 1
    for call in (kept[0].step, lambda _: kept[0].uuid4(), lambda _: kept[0].defer(work)):
        with pytest.raises(ValidationError, match="its invocation is over"):
            call(work)


@pytest.mark.parametrize(
    ("contestants", "message"),
    [
        ({}, "there are no contestants"),
        ([], "there are no contestants"),
        ({1: "x"}, "must be text"),
        ("ab", "a mapping or a sequence"),
        ([1], "contestant 0 is an int"),
        (None, "a mapping or a sequence of contestants, not None"),
    ],
)
def test_a_race_without_proper_contestants_is_refused_at_the_call(contestants, message):
    @durable
    async def handler(event, ctx):
        with pytest.raises(ValidationError, match=message):
            ctx.race(contestants)
        return await ctx.step(work, 3)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, len(run.operations)) == ("SUCCEEDED", 3, 1)


def test_a_race_refuses_a_contestant_twice_and_one_of_another_context():
    @durable
    async def handler(event, ctx):
        step = ctx.step(work)
        with pytest.raises(ValidationError, match="twice"):
            ctx.race([step, step])

        async def child(child):
            with pytest.raises(ValidationError, match="does not belong to this context"):
                child.race([step])

        await ctx.run_in_child_context(child)
        return await step

    assert Simulator(handler).start().finish().result == 1


def test_mistakes_are_raised_by_the_call_and_failures_by_the_await():
    @durable
    async def handler(event, ctx):
        with pytest.raises(ValidationError, match="takes a function"):
            ctx.step("charge")
        with pytest.raises(ValidationError, match="passes 2"):
            ctx.step(work, 1, 2)

        async def fails():
            raise LookupError("no")

        task = ctx.step(fails, retry=Retry.none())
        with pytest.raises(DurableError, match="no"):
            await task
        return "right"

    assert Simulator(handler).start().finish().result == "right"


def test_no_thread_is_left_by_any_of_them():
    with started_threads() as threads:
        for misuse in MISUSES:

            @durable
            async def handler(event, ctx, misuse=misuse):
                await misuse(ctx)

            Simulator(handler).start().finish()
    assert not [thread for thread in threads if thread.is_alive()]
