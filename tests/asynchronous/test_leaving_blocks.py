"""``finally`` blocks and ``__aexit__`` that make a durable call, when their code is suspended or cancelled."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from powertools_durable import Completion, Nesting, durable
from powertools_durable.testing import Simulator, explore

HOUR = timedelta(hours=1)


async def work(value):
    return value


async def hangs(begun=None):
    await asyncio.sleep(3600)


class Closing:
    def __init__(self, ctx, name):
        self.ctx, self.name = ctx, name

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.ctx.step(work, self.name, name=self.name)


async def in_a_finally(ctx, inside, name):
    try:
        return await inside()
    finally:
        await ctx.step(work, name, name=name)


async def in_an_exit(ctx, inside, name):
    async with Closing(ctx, name):
        return await inside()


async def in_a_helper(ctx, inside, name):
    async def close():
        await asyncio.sleep(0)
        await ctx.step(work, name, name=name)

    try:
        return await inside()
    finally:
        await close()


async def in_a_gather(ctx, inside, name):
    try:
        return await inside()
    finally:
        await asyncio.gather(ctx.step(work, name, name=name), asyncio.sleep(0))


BLOCKS = [in_a_finally, in_an_exit, in_a_helper, in_a_gather]


def simple(ctx, block, inside):
    return block(ctx, inside, "cleanup")


async def two_tasks(ctx, block, inside):
    await asyncio.gather(*(block(ctx, inside, f"cleanup-{number}") for number in range(2)))


async def a_child(ctx, block, inside):
    async def child(below):
        return await block(below, lambda: below.wait(HOUR), "cleanup")

    return await block(ctx, lambda: ctx.run_in_child_context(child), "outer")


async def a_map(ctx, block, inside):
    async def item(below, number):
        return await block(below, lambda: below.wait(HOUR), "cleanup")

    return len((await ctx.map(item, [1, 2])).results)


SUSPENDED = [simple, two_tasks, a_child, a_map]


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("where", SUSPENDED)
def test_at_a_suspension_the_call_is_put_off_without_a_warning(where, block, caplog):
    @durable
    async def handler(event, ctx):
        await where(ctx, block, lambda: ctx.wait(HOUR))
        return "end"

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "end", 2)
    assert {record.status.value for record in run.operations} == {"SUCCEEDED"}
    assert any((record.name or "").startswith("cleanup") for record in run.operations)
    assert warnings_of(caplog) == []
    if block is not in_a_helper:
        return
    found = explore(handler, most=5).failures  # it does nothing at a suspension, which may not be what is meant
    assert found
    assert all("is called while a suspension passes through" in failure.differed for failure in found)


@pytest.mark.parametrize("where", SUSPENDED)
def test_a_block_that_awaits_something_else_is_cancelled_once(where):
    """Failed with tasks and branches that were cancelled again when what had made them ended."""
    entered, left = [], []

    async def block(ctx, inside, name):
        try:
            return await inside()
        finally:
            entered.append(name)
            for _ in range(5):
                await asyncio.sleep(0.01)
            left.append(name)

    @durable
    async def handler(event, ctx):
        await where(ctx, block, lambda: ctx.wait(HOUR))
        return "end"

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "end", 2)
    assert sorted(left) == sorted(entered)
    assert len(left) > 1


async def catches_and_calls(ctx):
    try:
        await ctx.wait(HOUR)  # waits
    except asyncio.CancelledError:
        await ctx.step(work, 1, name="never")  # calls
        raise


async def catches_and_goes_on(ctx):
    try:
        await ctx.wait(HOUR)  # waits
    except asyncio.CancelledError:
        pass
    await ctx.step(work, 1, name="once")  # calls


async def catches_in_a_task(ctx):
    await asyncio.gather(catches_and_goes_on(ctx))


def line_of(function, comment):
    code = (catches_and_goes_on if function is catches_in_a_task else function).__code__
    lines = enumerate(Path(__file__).read_text(encoding="utf-8").splitlines(), start=1)
    return next(at for at, line in lines if at > code.co_firstlineno and line.endswith(f"# {comment}"))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (catches_and_calls, "makes a durable call in an 'except' block that caught the signal"),
        (catches_and_goes_on, "caught the signal that suspends the execution"),
        (catches_in_a_task, "caught the signal that suspends the execution"),
    ],
)
def test_a_call_after_the_cancellation_was_caught_is_named_with_its_line(code, says, caplog):
    @durable
    async def handler(event, ctx):
        await code(ctx)
        return "end"

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "end")
    (warning,) = warnings_of(caplog)
    assert says in warning
    line = line_of(code, "calls" if code is catches_and_calls else "waits")
    assert f"at test_leaving_blocks.py:{line} in catches_and_" in warning


@pytest.mark.sampled(1)
@pytest.mark.parametrize("code", [catches_and_goes_on, catches_in_a_task])
def test_explore_names_the_line_at_which_it_was_caught(code):
    @durable
    async def handler(event, ctx):
        await code(ctx)

    (failure,) = explore(handler).failures
    assert "swallows the signal" in failure.differed
    assert failure.location == f"{__file__}:{line_of(code, 'waits')}"


# -- races -------------------------------------------------------------------------------------------------------


def a_task(ctx, block, inside):
    return block(ctx, lambda: inside(ctx), "cleanup")


def a_child_context(ctx, block, inside, **options):
    async def loser(child):
        return await block(child, lambda: inside(child), "cleanup")

    return ctx.run_in_child_context(loser, name="loser", **options)


def a_virtual_child(ctx, block, inside):
    return a_child_context(ctx, block, inside, virtual=True)


def a_child_of_a_child(ctx, block, inside):
    async def outer(child):
        return await a_child_context(child, block, inside)

    return ctx.run_in_child_context(outer, name="outer")


def a_child_with_a_task(ctx, block, inside):
    async def outer(child):
        async with asyncio.TaskGroup() as group:
            group.create_task(block(child, lambda: inside(child), "cleanup"))

    return ctx.run_in_child_context(outer, name="outer")


def a_fan_out(ctx, block, inside, **options):
    async def item(child, number):
        return await block(child, lambda: inside(child), "cleanup")

    return ctx.map(item, [1, 2], name="loser", **options)


def a_flat_fan_out(ctx, block, inside):
    return a_fan_out(ctx, block, inside, nesting=Nesting.FLAT)


LOSERS = [
    a_child_context,
    a_virtual_child,
    a_child_of_a_child,
    a_child_with_a_task,
    a_fan_out,
    a_flat_fan_out,
]
INSIDE = {
    "waits": lambda ctx: ctx.wait(10 * HOUR),
    "runs a body": lambda ctx: ctx.step(hangs),
    "waits for its child": lambda ctx: ctx.run_in_child_context(lambda child: child.wait(10 * HOUR)),
}


@pytest.mark.parametrize("block", [in_a_finally, in_an_exit])
@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("loser", LOSERS)
def test_a_context_that_lost_a_race_records_nothing_any_more(loser, inside, block, caplog):
    """Failed with a START below a context that had ended, which the service refuses."""

    @durable
    async def handler(event, ctx):
        async def winner():
            return await ctx.step(work, "won", name="winner")

        won = await ctx.race({"loser": loser(ctx, block, inside), "winner": winner()}, cancel=True)
        await ctx.wait(HOUR)
        return list(won)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", ["winner", "won"], 2), run.error
    assert not any(record.name == "cleanup" for record in run.operations)
    lost = {record.name: record for record in run.operations if record.name in {"loser", "outer"}}
    ended = next((lost[name] for name in ("outer", "loser") if name in lost), None)
    if loser is a_virtual_child:
        assert ended is None
    else:
        assert ended.status.value == "FAILED"
        assert ended.error.error_type == "OperationCancelledError"
    assert warnings_of(caplog) == []


@pytest.mark.sampled(1)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_task_that_lost_a_race_cleans_up_and_is_found_again(block):
    @durable
    async def handler(event, ctx):
        async def winner():
            return await ctx.step(work, "won", name="winner")

        won = await ctx.race({"loser": a_task(ctx, block, INSIDE["waits"]), "winner": winner()}, cancel=True)
        await ctx.wait(HOUR)
        return list(won)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["winner", "won"])
    (cleanup,) = (record for record in run.operations if record.name == "cleanup")
    assert cleanup.status.value == "SUCCEEDED"
    assert explore(handler).failures == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("loser", LOSERS)
def test_it_does_so_whenever_a_process_dies(loser):
    @durable
    async def handler(event, ctx):
        async def winner():
            return await ctx.step(work, "won", name="winner")

        contestants = {"loser": loser(ctx, in_a_finally, INSIDE["waits"]), "winner": winner()}
        return list(await ctx.race(contestants, cancel=True))

    found = explore(handler)
    assert [failure for failure in found.failures if "suspension passes" not in failure.differed] == []


def race_with(loser, ends, calls, *, winner_first=False):
    """A race that is lost by several calls in a row."""

    @durable
    async def handler(event, ctx):
        async def several(below):
            for number in range(calls):
                await below.step(work, number, name=f"{number}")
                await below.step(len, "in a thread", name=f"{number} in a thread")
            await below.wait(10 * HOUR, name="long")

        async def winner():
            if ends == "a wait":
                return await ctx.wait(HOUR, name="short")
            for number in range(len(ends.split("step")) - 1):
                await ctx.step(work, number, name="winner")
            return None

        async def as_it_is(below, inside, name):
            return await inside()

        won_by = asyncio.create_task(winner()) if winner_first else winner()  # of two at the same time, it comes first
        won = await ctx.race({"loser": loser(ctx, as_it_is, several), "winner": won_by}, cancel=True)
        await ctx.wait(HOUR, name="afterwards")
        return won[0]

    return handler


ENDS = ["a wait", "a step", "a step after a step"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("winner_first", [True, False])
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("loser", [a_task, *LOSERS])
def test_a_loser_gets_on_a_replay_the_results_that_it_had_got_and_no_more(loser, ends, winner_first, caplog):
    """Failed with losers cancelled as soon as the race's record was read, and with the end of a step sent twice."""
    for seed in range(3):
        run = Simulator(race_with(loser, ends, 4, winner_first=winner_first), seed=seed).start().finish()
        assert (run.status, run.result) == ("SUCCEEDED", "winner"), run.error
    assert warnings_of(caplog) == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("loser", [a_task, a_child_context])
def test_it_does_so_after_any_crash(loser, ends):
    assert explore(race_with(loser, ends, 2), most=15).failures == []


async def ends_late(ctx):
    """Another step ends while the request with the end of the first one is under way."""
    first, second = ctx.step(work, 1, name="first"), ctx.step(str.upper, "a", name="second")
    return await ctx.race([first, second], cancel=True)


@pytest.mark.parametrize("seed", range(10))
def test_a_step_whose_end_is_on_its_way_is_not_ended_again(seed):
    """Failed with a FAIL after its SUCCEED, which the service refuses."""

    @durable
    async def handler(event, ctx):
        won = await ends_late(ctx)
        await ctx.wait(HOUR)
        return won[0]

    run = Simulator(handler, seed=seed).start().finish()
    assert run.status == "SUCCEEDED", run.error
    assert run.result in {0, 1}


# -- branches that are not needed any more --------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", Nesting)
@pytest.mark.parametrize("size", [1, 300_000], ids=["small", "rebuilt"])
@pytest.mark.parametrize("block", [in_a_finally, in_an_exit])
def test_a_branch_that_is_not_needed_records_nothing_any_more(block, size, nesting):
    @durable
    async def handler(event, ctx):
        async def item(child, number):
            if number:
                return await block(child, lambda: child.wait(10 * HOUR), "cleanup")
            return "x" * await child.step(work, size)

        completion = Completion(min_successful=1)
        found = await ctx.map(item, [0, 1], name="some", completion=completion, nesting=nesting)
        await ctx.wait(HOUR)
        return len(found.results[0])

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", size, 2), run.error
    assert not any(record.name == "cleanup" for record in run.operations)
