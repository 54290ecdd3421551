"""Handlers whose tasks differ from run to run: what is reported names the user's line."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from powertools_durable import Completion, DurableConfig, durable
from powertools_durable.testing import Simulator, explore

HOUR = timedelta(hours=1)
RUNS = []  # what a handler reads that differs from run to run


async def work(value):
    return value


async def part(ctx, name):
    result = await ctx.step(work, name, name=name)  # asks
    await ctx.wait(HOUR)
    return result


async def in_tasks_or_in_a_row(ctx):
    if len(RUNS) % 2:
        return await asyncio.gather(part(ctx, "one"), part(ctx, "two"))
    return [await part(ctx, "one"), await part(ctx, "two")]


async def in_a_task_or_another_one(ctx):
    async def other():
        return await part(ctx, "one")

    return await asyncio.create_task(part(ctx, "one") if len(RUNS) % 2 else other())


async def in_a_child_task_or_not(ctx):
    async def child(below):
        return await (asyncio.gather(part(below, "one")) if len(RUNS) % 2 else part(below, "one"))

    return await ctx.run_in_child_context(child)


async def in_a_branch_task_or_not(ctx):
    async def item(below, name):
        return await (asyncio.gather(part(below, name)) if len(RUNS) % 2 else part(below, name))

    return (await ctx.map(item, ["one"], completion=Completion.all_completed())).results


DIFFERING = [in_tasks_or_in_a_row, in_a_task_or_another_one, in_a_child_task_or_not, in_a_branch_task_or_not]


def line_that_asks():
    return part.__code__.co_firstlineno + 1


def handler_of(code, config=None):
    @durable(config=config)
    async def handler(event, ctx):
        RUNS.append(len(RUNS))
        await code(ctx)

    return handler


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture(autouse=True)
def _begins_anew():
    RUNS.clear()


@pytest.mark.parametrize("code", DIFFERING)
def test_work_that_is_done_again_in_another_task_is_reported_with_its_line(code, caplog):
    run = Simulator(handler_of(code)).start()
    run.finish()
    reported = [text for text in warnings_of(caplog) if "without asking for recorded operations" in text]
    assert "the code was suspended without asking for recorded operations: step 'one'" in reported[0]
    assert f"step 'one' (#1) at test_changed_structure.py:{line_that_asks()} in part was not recorded" in reported[0]
    assert "which tasks it makes depends on something that differs between runs" in reported[0]


@pytest.mark.parametrize("code", DIFFERING)
def test_it_is_so_where_the_execution_is_to_fail(code, caplog):
    run = Simulator(handler_of(code, DurableConfig(on_unconsumed="fail"))).start().finish()
    assert f"at test_changed_structure.py:{line_that_asks()} in part was not recorded" in caplog.text
    assert run.status in {"FAILED", "SUCCEEDED"}  # of a child context only what follows at its end is looked at


def test_it_is_silent_where_that_is_asked_for(caplog):
    Simulator(handler_of(in_tasks_or_in_a_row, DurableConfig(on_unconsumed="ignore"))).start().finish()
    assert warnings_of(caplog) == []


async def same_names_in_another_order(ctx):
    names = ["one", "two"] if len(RUNS) % 2 else ["two", "one"]
    await asyncio.gather(*(part(ctx, name) for name in names))


async def nested(ctx):
    async def outer():
        await same_names_in_another_order(ctx)

    await asyncio.gather(outer())


@pytest.mark.parametrize(
    ("code", "task"),
    [(same_names_in_another_order, "task part 1"), (nested, "task part 1 of task outer 1")],
)
def test_another_operation_at_a_place_names_the_task_and_the_line(code, task):
    run = Simulator(handler_of(code)).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")
    says = f"step 'two' (#1) of {task} at test_changed_structure.py:{line_that_asks()} is not what this execution"
    assert says in run.error.error_message


@pytest.mark.sampled(2)
@pytest.mark.parametrize("code", [*DIFFERING, same_names_in_another_order, nested])
def test_explore_names_the_line(code):
    found = explore(handler_of(code), most=10).failures
    assert f"{__file__}:{line_that_asks()}" in {failure.location for failure in found}


# -- what is deterministic is not reported ---------------------------------------------------------------------------


async def workers(ctx):
    queue = asyncio.Queue()
    for number in range(6):
        queue.put_nowait(number)

    async def worker():
        while not queue.empty():
            queue.get_nowait()
            await ctx.step(work, 0, name="the same")
            await ctx.wait(60)

    await asyncio.gather(worker(), worker(), worker())


async def a_plain_wait_beside(ctx):
    async def slow():  # in the first invocation it gets further than in the second
        await asyncio.sleep(0.5 if len(RUNS) == 1 else 5)
        await ctx.step(work, 0, name="the same")
        await ctx.wait(60)

    async def quick():
        for _ in range(3):
            await ctx.step(work, 0, name="the same")
            await ctx.wait(60)

    await asyncio.gather(slow(), quick())


async def virtual_children(ctx):
    async def child(below):
        await below.step(work, 0, name="the same")
        await below.wait(60)

    for _ in range(3):
        await ctx.run_in_child_context(child, virtual=True, name="the same")


@pytest.mark.parametrize("code", [workers, a_plain_wait_beside, virtual_children])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_deterministic_is_not_reported(code, seed, caplog):
    run = Simulator(handler_of(code), seed=seed).start().finish()
    assert run.status == "SUCCEEDED"
    assert [text for text in warnings_of(caplog) if "recorded operations" in text] == []
