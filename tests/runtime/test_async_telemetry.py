"""What ``async def`` handlers say, in logs and to plugins, while their tasks interleave.

What both kinds of handlers have in common is tested for both: see ``tests/kinds.py``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import ContextVar
from datetime import timedelta

import pytest
from pydantic import BaseModel

from powertools_durable import Retry, StepError, current_scope, durable
from powertools_durable.plugins import Plugin
from powertools_durable.testing import Simulator
from tests.integrations.lines import Log

HOUR = timedelta(hours=1)
VARIABLE = ContextVar("variable", default="nobody")


@pytest.fixture
def log():
    made = Log()
    yield made
    made.forget()


async def one():
    return 1


def ends(handler, **options):
    run = Simulator(durable(**options)(handler)).start().finish()
    assert run.status == "SUCCEEDED", run.error
    return run


# -- each line once --------------------------------------------------------------------------------------------------

PROGRAMS = {}


def program(*expected):
    def register(code):
        PROGRAMS[code.__name__] = (code, Counter(expected))
        return code

    return register


@program("started", "a", "w")
async def as_completed(say, ctx):
    pending = [ctx.step(one, name="a"), ctx.wait(3 * HOUR, name="w")]
    say("started")
    names = iter("aw")
    for task in asyncio.as_completed(pending):
        await task
        say(next(names))


@program("started", "a", "short", "long")
async def a_result_that_comes_while_others_still_wait(say, ctx):
    pending = [ctx.step(one), ctx.wait(3 * HOUR), ctx.wait(HOUR)]
    say("started")
    names = iter(["a", "short", "long"])
    for task in asyncio.as_completed(pending):
        await task
        say(next(names))


@program(*(f"{word} {number}" for word in ("begins", "goes on", "ends") for number in range(3)), "all")
async def a_gather_of_tasks(say, ctx):
    async def work(number):
        say(f"begins {number}")
        await ctx.step(one)
        await ctx.wait((number + 1) * HOUR)
        say(f"goes on {number}")
        await ctx.wait(HOUR)
        say(f"ends {number}")

    await asyncio.gather(*(work(number) for number in range(3)))
    say("all")


@program("in the block", *(f"{word} {name}" for word in ("begins", "ends") for name in "ab"), "all")
async def a_task_group(say, ctx):
    async def work(name, hours):
        say(f"begins {name}")
        await ctx.wait(hours * HOUR)
        await ctx.step(one)
        say(f"ends {name}")

    async with asyncio.TaskGroup() as group:
        group.create_task(work("a", 1))
        group.create_task(work("b", 2))
        say("in the block")
    say("all")


@program("begun", "a task without durable calls", "woken", "done")
async def tasks_that_wake_each_other(say, ctx):
    woken = asyncio.Event()

    async def listens():
        say("a task without durable calls")
        await woken.wait()
        say("woken")

    task = asyncio.create_task(listens())
    wait = ctx.wait(HOUR)
    say("begun")
    await wait
    woken.set()
    await task
    await ctx.wait(HOUR)
    say("done")


@program("branch 0", "branch 1", "task 0", "task 1", "ends 0", "ends 1")
async def tasks_in_branches(say, ctx):
    async def task(child, number):
        say(f"task {number}")
        await child.wait((number + 1) * HOUR)

    async def branch(child, number):
        say(f"branch {number}")
        await asyncio.gather(child.step(one), task(child, number))
        say(f"ends {number}")

    await ctx.map(branch, [0, 1])


@program("before", "paid", "after")
async def a_race(say, ctx):
    contestants = {"paid": ctx.wait(HOUR), "late": ctx.wait(3 * HOUR)}
    say("before")
    key, _ = await ctx.race(contestants, name="payment")
    say(key)
    await ctx.wait(HOUR)
    say("after")


@program("asked", "answered", "end")
async def several_calls_in_one(say, ctx):
    async def tries(child):
        await child.step(one)
        await child.wait(HOUR)

    task = ctx.with_retry(tries, retry=Retry.fixed(HOUR, max_attempts=2))
    say("asked")
    await task
    say("answered")
    await ctx.wait(HOUR)
    say("end")


@program("inside", "behind", "end")
async def a_virtual_context(say, ctx):
    async def virtual(child):
        await child.step(one)
        say("inside")

    await ctx.run_in_child_context(virtual, virtual=True)
    say("behind")
    await ctx.wait(HOUR)
    say("end")


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_line_comes_out_once_whatever_the_interleaving(name, log):
    code, expected = PROGRAMS[name]

    async def handler(event, ctx):
        await code(log.logger.info, ctx)

    run = ends(handler)
    assert len(run.invocations) > 1, "a program that never replays shows nothing"
    assert Counter(log.messages) == expected


def test_bodies_are_live_and_each_line_has_the_keys_of_its_own_operation(log):
    def blocking(number):
        log.logger.info(f"def {number}")

    async def awaiting(number):
        await asyncio.sleep(0)
        log.logger.info(f"async {number}")
        await asyncio.create_task(below(number))

    async def below(number):
        log.logger.info(f"task {number}")

    async def work(ctx, number):
        await ctx.step(blocking, number, name=f"def-{number}")
        await ctx.step(awaiting, number, name=f"async-{number}")
        log.logger.info(f"handler {number}")

    async def handler(event, ctx):
        wait = ctx.wait(HOUR)
        await asyncio.gather(*(work(ctx, number) for number in range(3)))
        await wait
        await asyncio.gather(*(work(ctx, number) for number in range(3, 6)))

    ends(handler)
    named = {(line["message"], line.get("operationName"), line.get("attempt")) for line in log.lines}
    assert len(log.lines) == len(named) == 24
    assert named == {
        entry
        for number in range(6)
        for entry in (
            (f"def {number}", f"def-{number}", 1),
            (f"async {number}", f"async-{number}", 1),
            (f"task {number}", f"async-{number}", 1),
            (f"handler {number}", None, None),
        )
    }


def test_keys_that_a_task_appends_safely_are_its_own(log):
    async def work(ctx, name):
        log.logger.thread_safe_append_keys(order=name)
        await ctx.step(one)
        await ctx.wait(HOUR)
        log.logger.info("shipped")

    async def handler(event, ctx):
        await asyncio.gather(work(ctx, "a"), work(ctx, "b"))
        log.logger.info("all")

    ends(handler)
    assert sorted((line["message"], line.get("order", "")) for line in log.lines) == [
        ("all", ""),
        ("shipped", "a"),
        ("shipped", "b"),
    ]


def test_a_retry_policy_of_a_step_that_runs_says_its_lines(log):
    def policy(error, attempt):
        log.logger.info(f"policy {attempt}")
        return timedelta(seconds=5) if attempt < 3 else None

    async def flaky():
        raise ConnectionError

    async def handler(event, ctx):
        try:
            await ctx.step(flaky, retry=policy)
        except StepError:
            await ctx.wait(HOUR)

    ends(handler)
    assert [one for one in log.messages if one.startswith("policy")] == ["policy 1", "policy 2", "policy 3"]


# -- plugins ---------------------------------------------------------------------------------------------------------


class Notes(Plugin):
    def __init__(self):
        self.heard = []

    def on_replay_end(self, info):
        self.heard.append(f"replay of {info.operations}")

    def on_operation_start(self, info):
        self.heard.append(f"{info.name} starts{' again' if info.is_replayed else ''}")

    def on_operation_end(self, info):
        self.heard.append(f"{info.name} {info.outcome}")

    def on_operation_replayed(self, info):
        self.heard.append(f"{info.name} replayed")

    def on_user_function_start(self, info):
        self.heard.append(f"{info.name} runs")

    def on_user_function_end(self, info):
        self.heard.append(f"{info.name} ran: {info.outcome}")

    def on_invocation_end(self, info):
        self.heard.append(info.outcome)


def heard(handler):
    notes = Notes()
    run = Simulator(durable(plugins=[notes])(handler)).start().finish()
    return run, notes.heard


def test_the_end_of_code_that_awaits_is_told_when_it_has_ended():
    async def child(inner):
        await inner.step(one, name="inside")
        await inner.wait(HOUR, name="pause")

    async def handler(event, ctx):
        await ctx.run_in_child_context(child, name="child")

    _, lines = heard(handler)
    assert lines == [
        *("child starts", "child runs", "inside starts", "inside runs", "inside ran: SUCCEEDED", "inside SUCCEEDED"),
        *("pause starts", "child ran: INCOMPLETE", "PENDING"),
        *("child starts again", "child runs", "inside replayed", "pause SUCCEEDED", "replay of 2"),
        *("child ran: SUCCEEDED", "child SUCCEEDED", "SUCCEEDED"),
    ]


def test_a_body_that_a_suspension_cuts_off_is_incomplete_and_one_that_fails_has_failed():
    async def child(inner, fails):
        if fails:
            raise LookupError
        raise asyncio.CancelledError

    async def handler(event, ctx):
        await asyncio.gather(
            *(ctx.run_in_child_context(child, fails, name=f"fails-{fails}") for fails in (True, False)),
            return_exceptions=True,
        )

    run, lines = heard(handler)
    assert run.status == "SUCCEEDED"
    assert {line for line in lines if "ran" in line} == {"fails-True ran: FAILED", "fails-False ran: FAILED"}


def test_a_race_is_heard():
    async def handler(event, ctx):
        won = await ctx.race([ctx.wait(HOUR, name="a"), ctx.wait(3 * HOUR, name="b")], name="payment")
        await ctx.wait(HOUR, name="pause")
        return won[0]

    run, lines = heard(handler)
    assert run.result == 0
    assert [line for line in lines if "payment" in line or line == "PENDING"] == [
        *("payment starts", "PENDING"),
        *("payment starts", "payment SUCCEEDED", "PENDING"),
        "payment replayed",
    ]


def test_what_a_hook_sets_in_the_context_of_a_body_is_seen_by_that_body_alone():
    class Sets(Plugin):
        def on_user_function_start(self, info):
            VARIABLE.set(info.name)

    async def sees():
        return VARIABLE.get()

    async def handler(event, ctx):
        seen = await asyncio.gather(*(ctx.step(sees, name=name) for name in "abc"))
        return [*seen, VARIABLE.get()]

    assert ends(handler, plugins=[Sets()]).result == ["a", "b", "c", "nobody"]
    assert current_scope() is None


# -- failures --------------------------------------------------------------------------------------------------------


SECRET = "secret-" + "4711"


class Contact(BaseModel):
    age: int


async def declined():
    raise PermissionError("the card was declined")


async def pays(ctx):
    await ctx.step(declined, name="charge", retry=Retry.none())


async def is_refused():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:  # because the other task has failed
        Contact(age=SECRET)


async def fails_in_a_group(ctx):
    async def nested():
        async with asyncio.TaskGroup() as group:
            group.create_task(is_refused())

    async with asyncio.TaskGroup() as group:
        group.create_task(pays(ctx))
        group.create_task(nested())


@pytest.mark.parametrize("within", ["handler", "child"])
def test_a_group_says_what_is_inside_and_no_refused_value(within, log):
    async def handler(event, ctx):
        async def both(inner):
            await asyncio.gather(inner.wait(1), inner.wait(1))
            await fails_in_a_group(inner)

        if within == "handler":
            await both(ctx)
        else:
            await ctx.run_in_child_context(both, name="payment")

    run = Simulator(durable(logger=log.logger)(handler)).start().finish()
    message = run.error.error_message
    assert message.startswith("unhandled errors in a TaskGroup (2 sub-exceptions): ")
    assert "PermissionError: the card was declined" in message
    assert "1 validation error for Contact: age (int_parsing)" in message
    told = log.stream.getvalue()
    assert SECRET not in told
    failed = [line for line in log.lines if "sub-exceptions" in line["message"]]
    assert "PermissionError: the card was declined" in failed[0]["message"]
    assert failed[0]["exception_name"] == "ExceptionGroup"
    assert "in pays" in failed[0]["exception"]
    assert "powertools_durable/" not in failed[0]["exception"]


def test_a_failure_is_logged_at_the_line_of_its_call(log):
    async def handler(event, ctx):
        await asyncio.gather(pays(ctx), ctx.wait(1))

    run = Simulator(durable(logger=log.logger)(handler)).start().finish()
    assert run.status == "FAILED"
    step, execution = log.lines
    assert (step["message"], step["location"].partition(":")[0]) == (
        "step 'charge' failed: PermissionError: the card was declined",
        "pays",
    )
    assert execution["location"].partition(":")[0] == "pays"
