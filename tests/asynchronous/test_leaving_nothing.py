"""What invocations of async handlers leave behind in a warm process: nothing. On real threads and a real event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from powertools_durable import AsyncDurableContext, Retry, current_step_or_none, durable
from powertools_durable._hosting import invoker_of
from powertools_durable._runtime.async_driver import LOOPS
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.parser.stored import input_text
from powertools_durable.scope import current_scope
from powertools_durable.testing import SimulatedRun
from powertools_durable.testing.simulation.simulator import SeededIds
from tests.kit import ARN
from tests.leaks import Objects, is_ours, left_open, open_files, started_threads
from tests.size import tenth

ROOT = Path(__file__).parents[2]


class Crash(Exception):  # noqa: N818
    """A failure of the user's."""


async def works(value=1):
    await asyncio.sleep(0)
    return value


async def crashes():
    raise Crash


async def three(ctx):
    await ctx.step(works)
    await ctx.wait(60)
    return await ctx.step(lambda: 1)


async def suspends(ctx):
    await ctx.wait(60)


async def fails(ctx):
    raise Crash


async def fails_in_a_step(ctx):
    await ctx.step(crashes, retry=Retry.none())


async def fails_in_a_step_that_nobody_awaits(ctx):
    ctx.step(crashes, retry=Retry.none())
    await ctx.step(works)


async def is_misused(ctx):
    await ctx.step(lambda: ctx.step(works))


async def gathers(ctx):
    await asyncio.gather(*(three(ctx) for _ in range(5)))


async def groups(ctx):
    async with asyncio.TaskGroup() as group:
        group.create_task(three(ctx))
        group.create_task(fails_in_a_step(ctx))


async def races(ctx):
    return (await ctx.race({"a": ctx.step(works), "b": ctx.wait(60), "c": three(ctx)}, cancel=True))[0]


async def fans_out(ctx):
    async def branch(child, n):
        return await asyncio.gather(child.step(works, n), child.step(lambda: n))

    return (await ctx.map(branch, list(range(5)))).success_count


async def waits_in_branches(ctx):
    async def asks(child):
        return await (await child.create_callback()).result()

    await ctx.parallel([three, asks])


async def dies(ctx):
    raise SystemExit


async def dies_in_a_task(ctx):
    async def dying():
        raise KeyboardInterrupt

    await asyncio.gather(dying(), three(ctx))


async def swallows(ctx):
    try:
        await ctx.wait(60)
    except asyncio.CancelledError:
        return "swallowed"


async def leaves_a_task(ctx):
    task = asyncio.create_task(asyncio.sleep(3600))
    await ctx.step(works)
    return str(task.done())


async def is_batched(ctx):
    async with ctx.batch():
        return [await ctx.step(works) for _ in range(5)]


KINDS = [
    suspends,
    fails,
    fails_in_a_step,
    fails_in_a_step_that_nobody_awaits,
    is_misused,
    gathers,
    groups,
    races,
    fans_out,
    waits_in_branches,
    dies,
    dies_in_a_task,
    swallows,
    leaves_a_task,
    is_batched,
]


@durable
async def handler(event: int, ctx: AsyncDurableContext):
    return await KINDS[event % len(KINDS)](ctx)


def served(handler, event):
    """Return an execution whose process has real threads and a real clock; only the service's timers are virtual."""
    clock = VirtualClock(datetime.now(UTC))
    host = Host(MemoryStore(), clock, SeededIds(Random(0)))
    invoker = invoker_of(handler, backend=ServiceBackend(host), environment=Environment())
    host.start(ARN, "order-42", input_text(event))
    return SimulatedRun(host, clock, ARN, invoker, {})


def invoked(number):
    """Invoke the handler of one process so many times; each time something else happens."""
    for n in range(number):
        try:
            served(handler, n).settle()
        except (SystemExit, KeyboardInterrupt):
            pass


def is_ours_or_of_asyncio(thing):
    return is_ours(thing) or isinstance(thing, (asyncio.Future, asyncio.Handle))


@pytest.fixture
def others():
    """The tasks of clients that other tests keep open on this thread's loop."""
    return asyncio.all_tasks(LOOPS.take())


@pytest.mark.sized
def test_a_thousand_warm_invocations_leave_no_thread_task_file_or_object(others):
    invoked(2 * len(KINDS))  # what is made once is made
    objects, files = Objects(is_ours_or_of_asyncio), open_files()
    with started_threads() as started:
        invoked(tenth(1_000))
    for handler_of_pytest in logging.getLogger().handlers:  # keep each record, with the tracebacks of failures
        getattr(handler_of_pytest, "records", []).clear()
    new = Counter(type(thing).__qualname__ for thing in objects.new())
    assert sum(new.values()) <= 50, new.most_common(10)  # the last invocation, as the loop and its error know it
    assert started.alive == []
    assert asyncio.all_tasks(LOOPS.take()) <= others
    assert len(left_open(files)) <= 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_one_execution_leaves_no_scope_and_no_task_to_the_next(kind, others):
    loops = [LOOPS.take()]
    try:
        served(handler, KINDS.index(kind)).settle()
    except (SystemExit, KeyboardInterrupt):
        pass
    loops.append(LOOPS.take())
    assert current_scope() is None
    assert current_step_or_none() is None
    assert asyncio.all_tasks(loops[-1]) <= others
    assert loops[0] is loops[1] or (loops[0].is_closed() and kind in {dies, dies_in_a_task})
    assert served(handler, KINDS.index(is_batched)).settle().result == [1] * 5


@pytest.mark.parametrize("count", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_parked_waits_are_no_threads_and_leave_nothing(count, others):
    @durable
    async def waits(event: int, ctx: AsyncDurableContext) -> int:
        return len(await asyncio.gather(*(ctx.wait(60) for _ in range(event))))

    run = served(waits, count)
    with started_threads() as started:
        run.settle()
        assert run.status == "RUNNING"
        assert run.finish().result == count
    assert set(started.names) <= {"powertools-durable-checkpointer"}
    assert started.alive == []
    assert asyncio.all_tasks(LOOPS.take()) <= others


_CLEAN = """
import logging
logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())  # on a busy machine
from tests.asynchronous import order_programs, place_programs
from powertools_durable.testing import Simulator
for name, handler in [*place_programs.PROGRAMS.items(), *order_programs.PROGRAMS.items()]:
    run = Simulator(handler).start({}).finish()
    assert run.status == "SUCCEEDED", (name, run.error)
    run.close()
"""


def test_nothing_is_said_where_asyncio_looks_at_everything_and_warnings_are_errors():
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", _CLEAN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
