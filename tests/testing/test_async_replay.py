"""replay() of ``async def`` handlers: tasks, contexts, fan-outs and races, and what a change of them breaks."""

from __future__ import annotations

import asyncio

import pytest

from powertools_durable import StepError, durable
from powertools_durable.testing import Simulator, replay

CALLS = []


async def slow(value):
    CALLS.append("slow")
    await asyncio.sleep(1)
    return value


def double(value):
    CALLS.append("double")
    return value * 2


def shop(**changes):
    """Return a handler; the keywords say what differs from the first version."""
    c = {
        "first": "one",
        "task": None,
        "extra": False,
        "short": False,
        "below": 0,
        "race": True,
        "swap": False,
    } | changes

    async def pack(ctx, value):
        a = await ctx.step(slow, value, name="slow")
        await ctx.wait(60, name="cool")
        if c["below"] >= 1:
            await ctx.step(double, a, name="added")
        return await ctx.step(double, a, name="double") if c["below"] >= 0 else a

    if c["task"]:
        pack.__name__ = c["task"]

    @durable
    async def handler(event, ctx):
        one, two = await asyncio.gather(ctx.step(slow, 1, name=c["first"]), ctx.step(double, 2, name="two"))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pack(ctx, 10)), group.create_task(pack(ctx, 20))]
        child = await ctx.run_in_child_context(pack, 5, name="child")
        mapped = await ctx.map(pack, [1, 2], name="all")
        try:
            await ctx.step(fails, name="fails", retry=None if event else NONE)
        except StepError:
            pass
        new = ctx.patched("new")
        callback = await ctx.create_callback(name="paid")
        calls = {"paid": callback.result(), "late": ctx.wait(10, name="late")}
        if not c["race"]:
            del calls["late"]
        won = (await ctx.race(calls, name="race"))[0]
        await asyncio.sleep(0.5)
        if not c["short"]:
            await ctx.step(double, 3, name="last")
        if c["extra"]:
            await ctx.step(double, 4, name="extra")
        return [one, two, [task.result() for task in tasks], child, mapped.results, new, won]

    return handler


def fails():
    CALLS.append("fails")
    raise KeyError("no such key")


def NONE(error, attempt):  # noqa: N802 - a policy
    return None


@pytest.fixture(scope="module")
def runs():
    """The history after each invocation, and of the whole execution."""
    run = Simulator(shop()).start(None)
    histories = [run.history()]
    while run.status == "RUNNING" and len(histories) < 20:
        histories.append(run.step().history())
    assert run.status == "SUCCEEDED", run.error
    return histories


def test_the_same_code_is_safe_wherever_the_execution_is(runs):
    assert len(runs) > 4
    for history in runs:
        verdict = replay(shop(), history)
        assert verdict, verdict.reason
    assert verdict.replayed > 20


def test_no_body_runs(runs):
    before = list(CALLS)
    assert replay(shop(), runs[-1])
    assert before == CALLS


def test_inside_of_a_running_loop(runs):
    async def test():
        return replay(shop(), runs[-1])

    assert asyncio.run(test())


BREAKING = {
    "a step of a gather has another name": ({"first": "uno"}, "step 'uno'"),
    "a coroutine has another name": ({"task": "wrap"}, "step 'slow'"),
    "an operation of a task, a child and a branch is left out": ({"below": -1}, "step 'double'"),
    "one comes in front of another": ({"below": 1}, "'added'"),
    "the winner of a race is none of its contestants": ({"race": False}, "race"),
    "the last step is left out": ({"short": True}, "step 'last'"),
}


@pytest.mark.parametrize("change", BREAKING)
def test_a_change_breaks_an_execution_that_has_ended(runs, change):
    options, operation = BREAKING[change]
    verdict = replay(shop(**options), runs[-1])
    assert verdict.breaks
    assert operation in f"{verdict.operation} {verdict.reason}"


def test_what_comes_after_all_that_is_recorded_is_safe(runs):
    verdict = replay(shop(extra=True), runs[-1])
    assert verdict
    assert "extra" in verdict.stopped_at


def test_a_step_added_at_the_end_of_a_child_that_has_ended_is_safe():
    def handler_with(added):
        async def below(ctx):
            await ctx.step(double, 1, name="a")
            if added:
                await ctx.step(double, 2, name="b")
            return 1

        @durable
        async def handler(event, ctx):
            values = await asyncio.gather(
                ctx.run_in_child_context(below, name="one"), ctx.map(lambda c, _: below(c), [1])
            )
            return values[0] + await ctx.step(double, 1, name="end")

        return handler

    history = Simulator(handler_with(added=False)).start().finish().history()
    assert replay(handler_with(added=False), history).replayed == 6
    verdict = replay(handler_with(added=True), history)
    assert verdict, verdict.reason
    assert verdict.replayed == 6


def test_a_result_that_was_too_large_for_its_record_is_made_anew():
    @durable
    async def handler(event, ctx):
        async def below(child, n):
            return await child.step(lambda: "x" * 150_000, name=f"s{n}")

        large = await ctx.map(below, range(3), name="large")
        return len(large.results)

    history = Simulator(handler).start().finish().history()
    verdict = replay(handler, history)
    assert verdict, verdict.reason
    assert verdict.replayed == 7


def test_a_handler_that_raises_where_the_execution_succeeded_breaks():
    def handler_with(bug):
        @durable
        async def handler(event, ctx):
            value = await ctx.step(double, 1, name="a")
            if bug:
                raise KeyError(value)
            return value

        return handler

    history = Simulator(handler_with(bug=False)).start().finish().history()
    verdict = replay(handler_with(bug=True), history)
    assert verdict.breaks
    assert "raised KeyError" in verdict.reason


def test_tasks_ask_in_another_order_than_their_records_have():
    @durable
    async def handler(event, ctx):
        # The wait is asked for first and is sent in the next turn of the loop: its record is the second.
        await asyncio.gather(ctx.wait(5, name="pause"), ctx.step(double, 1, name="a"))

    run = Simulator(handler).start().finish()
    assert [record.name for record in run.operations] == ["a", "pause"]
    assert replay(handler, run.history())
