"""The kit takes ``async def`` handlers: simulator, explore(), and what they leave behind."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from powertools_durable import Retry, StepError, current_step, durable
from powertools_durable._runtime.loop import DurableLoop
from powertools_durable.testing import Ledger, Simulator, explore, spend
from tests.leaks import started_threads

HOUR = timedelta(hours=1)


async def slow(value, seconds=5):
    await asyncio.sleep(seconds)
    return value


def double(value):
    return value * 2


# -- the simulator --------------------------------------------------------------------------------------------


def test_time_in_a_body_is_virtual():
    @durable
    async def handler(event, ctx):
        began = await ctx.now()
        await asyncio.gather(ctx.step(slow, 1, 800), ctx.step(slow, 2, 600))
        await ctx.wait(30 * 24 * HOUR)
        return ((await ctx.now()) - began) / timedelta(seconds=1)

    began = time.monotonic()
    run = Simulator(handler).start().finish()
    assert 30 * 24 * 3600 + 800 <= run.result < 30 * 24 * 3600 + 802
    assert time.monotonic() - began < 600
    assert len(run.invocations) == 2


def test_a_seed_gives_the_same_requests_again():
    async def body(number):
        await asyncio.sleep(number)

    @durable
    async def handler(event, ctx):
        first, _ = await ctx.race([ctx.step(body, number) for number in (3, 1, 2)])
        return first

    def outcome(seed):
        run = Simulator(handler, seed=seed).start()
        return run.result, [event["EventType"] for event in run.history()], run.trace_hash

    assert {outcome(seed)[0] for seed in range(4)} == {1}
    assert outcome(3) == outcome(3)


def test_a_warm_sandbox_keeps_its_loop_and_a_killed_one_does_not():
    loops = []

    @durable
    async def handler(event, ctx):
        loops.append(asyncio.get_running_loop())
        await ctx.wait(60)
        if len(loops) == 2:
            spend(event)
        return await ctx.step(double, 1)

    assert Simulator(handler, invocation_timeout=100).start(0).finish().result == 2
    assert len({*map(id, loops)}) == 1
    assert isinstance(loops[0], DurableLoop)
    assert loops[0].is_closed()
    loops.clear()
    assert Simulator(handler, invocation_timeout=100).start(200).finish().result == 2
    assert [loop is loops[0] for loop in loops] == [True, True, False]
    assert all(loop.is_closed() for loop in loops)


def test_functions_that_call_each_other_have_loops_of_their_own():
    loops = {}

    @durable
    async def callee(event, ctx):
        loops["callee"] = asyncio.get_running_loop()
        await ctx.wait(5)
        return event * 2

    @durable
    async def caller(event, ctx):
        loops["caller"] = asyncio.get_running_loop()
        return await asyncio.gather(ctx.invoke("callee", event), ctx.step(slow, 1))

    assert Simulator(caller, functions={"callee": callee}).start(21).finish().result == [42, 1]
    assert loops["caller"] is not loops["callee"]


def test_it_runs_inside_of_a_running_loop():
    threads = []

    @durable
    async def handler(event, ctx):
        threads.append(threading.current_thread())
        a = await ctx.step(slow, 1)
        await ctx.wait(60)
        return a + await ctx.step(double, 2)

    async def test():
        run = Simulator(handler).start().finish()
        found = explore(handler)
        return run, found

    run, found = asyncio.run(test())
    assert run.result == 5
    assert threading.main_thread() not in threads
    found.assert_survives()


def test_what_a_test_in_a_running_loop_gets_wrong_is_raised_there():
    @durable
    async def handler(event, ctx):
        raise KeyboardInterrupt

    async def test():
        Simulator(handler).start()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(test())


def test_spent_time_ends_a_body_at_its_timeout_and_sends_its_start():
    @durable
    async def handler(event, ctx):
        async def body():
            await asyncio.sleep(1)
            spend(100)

        try:
            await ctx.step(body, timeout=10, retry=Retry.none())
        except StepError as error:
            return str(error.error_type)

    run = Simulator(handler).start()
    assert run.result == "StepTimeoutError"
    assert [event["EventType"] for event in run.history()][:2] == ["ExecutionStarted", "StepStarted"]


# -- explore --------------------------------------------------------------------------------------------------

LEDGER = Ledger()


async def draws(number):
    before = random.random()
    await asyncio.sleep(1 + number)
    at = datetime.now(UTC)
    await asyncio.sleep(1)
    return [before, random.random(), str(uuid.uuid4()), os.urandom(4).hex(), f"{at:%Y-%m-%dT%H:%M}"]


def draws_on_a_thread():
    return [random.random(), str(uuid.uuid4()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"]


async def pays():
    LEDGER.record("charge", key=current_step().idempotency_key)
    await asyncio.sleep(1)


@durable
async def finds_its_surroundings(event, ctx):
    drawn = await asyncio.gather(*(ctx.step(draws, n) for n in range(3)), ctx.step(draws_on_a_thread))
    await ctx.wait(60)
    return [drawn, str(await ctx.now()), str(ctx.uuid4()), ctx.random.random()]


@durable
async def has_workers(event, ctx):
    queue, done = asyncio.Queue(), {}
    for n in range(4):
        queue.put_nowait(n)

    async def worker():
        while not queue.empty():
            n = queue.get_nowait()
            done[n] = await ctx.step(slow, n, 1 + 0.7 * n, name="slow")  # no two end at the same time

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(worker())
    return sorted(done.items())


@durable
async def stores_cancellations(event, ctx):
    async def waits(n):
        await ctx.wait(5 + n, name=f"wait-{n}")
        return await ctx.step(double, n)

    return await asyncio.gather(waits(1), waits(2), return_exceptions=True)


@durable
async def races(event, ctx):
    paid = await ctx.create_callback(name="paid")

    async def reminds():
        await ctx.wait(10, name="remind")
        return await ctx.step(double, 2)

    won = await ctx.race({"paid": paid.result(), "remind": reminds(), "late": ctx.wait(100, name="late")}, cancel=True)
    return list(won)


@durable
async def maps(event, ctx):
    async def branch(child, item):
        values = await asyncio.gather(child.step(slow, item), child.step(double, item))
        await child.wait(1)
        return sum(values)

    return (await ctx.map(branch, [1, 2])).results


@durable
async def pays_once(event, ctx):
    await asyncio.gather(ctx.step(pays), ctx.step(slow, 1))


@durable
async def gives_up(event, ctx):
    try:
        await ctx.step(slow, 1, 100, timeout=5, retry=Retry.none())
    except StepError as error:
        return error.error_type


@durable
async def cancels_what_is_left(event, ctx):
    tasks = [asyncio.create_task(slow(n, 20 + n)) for n in range(3)]
    value = await ctx.step(double, 1)
    done, pending = await asyncio.wait(tasks, timeout=0)
    for task in pending:
        task.cancel()
    return [value, len(done)]


CORRECT = [finds_its_surroundings, has_workers, stores_cancellations, races, maps, pays_once, gives_up]
CORRECT += [cancels_what_is_left]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("handler", CORRECT, ids=lambda handler: handler.__name__)
def test_correct_programs_survive_a_crash_at_every_moment(handler, recwarn):
    found = explore(handler, ledger=LEDGER)
    found.assert_survives()
    assert found.runs > len(found.crash_points) >= 6
    assert not [one for one in recwarn if "never awaited" in str(one.message)]


@durable
async def asks_the_clock(event, ctx):
    await ctx.wait(60, name="a")
    await ctx.step(double, datetime.now(UTC).hour)


@durable
async def asks_chance(event, ctx):
    drawn = round(random.random() * 1000)
    return await asyncio.gather(ctx.step(slow, 1), ctx.step(double, drawn))


@durable
async def draws_while_a_body_runs(event, ctx):
    async def other():
        await asyncio.sleep(1)
        return await ctx.step(double, random.random())

    return await asyncio.gather(ctx.step(slow, 1), other())


@durable
async def keeps_values_in_a_closure(event, ctx):
    kept = []

    async def keep(value):
        await asyncio.sleep(1)
        kept.append(value)

    await asyncio.gather(ctx.step(keep, 1), ctx.step(keep, 2))
    return sorted(kept)


@durable
async def swallows(event, ctx):
    try:
        await ctx.wait(5, name="w")
    except BaseException:  # noqa: BLE001 - as users write it
        pass


@durable
async def replaces(event, ctx):
    try:
        await ctx.wait(5, name="w")
    except asyncio.CancelledError:
        raise ValueError("stopped") from None


@durable
async def works_in_finally(event, ctx):
    try:
        await ctx.wait(5, name="w")
    finally:
        await ctx.step(double, 1)


@durable
async def pays_twice(event, ctx):
    async def pay():
        LEDGER.record("charge")
        await asyncio.sleep(1)

    await asyncio.gather(ctx.step(pay), ctx.step(slow, 1))


@durable
async def pays_outside(event, ctx):
    LEDGER.record("charge")
    await ctx.wait(5, name="w")


@durable
async def iterates_a_set(event, ctx):
    done, _ = await asyncio.wait([ctx.step(slow, n) for n in range(3)])
    for task in done:
        await ctx.step(double, task.result())


@durable
async def depends_on_a_timeout(event, ctx):
    try:
        async with asyncio.timeout(3):
            return await ctx.step(slow, 1)
    except TimeoutError:
        return "late"


FAULTY = {
    asks_the_clock: "result is",
    asks_chance: "result is",
    draws_while_a_body_runs: "result is",
    keeps_values_in_a_closure: r"result is \[\] in place of",
    swallows: "swallows the signal",
    replaces: "swallows the signal",
    works_in_finally: "is called while a suspension passes",
    pays_twice: "happens 2 times in place of once: its body runs again",
    pays_outside: "outside of any step",
    iterates_a_set: "depends on the order of a set",
    depends_on_a_timeout: "in place of 'late'",
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("handler", FAULTY, ids=lambda handler: handler.__name__)
def test_faulty_programs_do_not_survive(handler):
    found = explore(handler, ledger=LEDGER)
    with pytest.raises(AssertionError, match=FAULTY[handler]):
        found.assert_survives()
    located = [failure.location for failure in found.failures if failure.location]
    assert located
    assert all(location.partition(":")[0] == __file__ for location in located)


def test_a_suspension_that_is_caught_is_shown_at_the_line_where_the_code_waited():
    line = swallows.__wrapped__.__code__.co_firstlineno + 3
    (failure,) = explore(swallows).failures
    assert failure.location == f"{__file__}:{line}"


def test_it_leaves_the_process_as_it_was(recwarn):
    state, policy = random.getstate(), asyncio.get_event_loop_policy()
    with started_threads() as threads:
        for handler in (pays_once, swallows):
            explore(handler, ledger=LEDGER)
    assert random.getstate() == state
    assert asyncio.get_event_loop_policy() is policy
    assert not [thread for thread in threads if thread.is_alive()]
    assert abs(time.time() - datetime.now(UTC).timestamp()) < 60
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_a_killed_body_ends_its_invocation_and_nothing_is_logged_of_it(caplog):
    with caplog.at_level(logging.DEBUG, "asyncio"):
        explore(has_workers)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("on_a_thread", [False, True])
def test_what_is_no_exception_ends_the_invocation_and_is_no_outcome(on_a_thread):
    class Abort(BaseException):
        pass

    def body():
        raise Abort

    async def awaited_body():
        return body()

    @durable
    async def handler(event, ctx):
        return await ctx.step(body if on_a_thread else awaited_body, name="s", retry=Retry.none())

    with pytest.raises(Abort):  # as from a 'def' handler
        Simulator(handler).start()
