"""How a suspension, the deadline, the user and a race cancel ``async def`` code, and what of it is recorded."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from powertools_durable import OperationCancelledError, Retry, StepError, durable
from powertools_durable.testing import Simulator

HOUR = timedelta(hours=1)
NOTES: list[str] = []


@pytest.fixture(autouse=True)
def _no_notes():
    NOTES.clear()


async def work(number=1):
    return number


@asynccontextmanager
async def block(name):
    try:
        yield
    finally:
        NOTES.append(f"left {name}")


def run_of(function, event=None, **options):
    @durable
    async def handler(event, ctx):
        return await function(ctx)

    return Simulator(handler, **options).start(event).finish()


def warnings_of(run):
    return [record.getMessage() for record in run.logs if record.levelno >= logging.WARNING]


# ------------------------------------------------------------------------------------------------ suspension


def test_blocks_are_left_at_each_suspension_and_once_more_at_the_end():
    async def task(ctx, name):
        async with block(name):
            await ctx.wait(HOUR)

    async def code(ctx):
        async with block("handler"):
            await asyncio.gather(task(ctx, "a"), ctx.run_in_child_context(task, "b"))

    assert run_of(code).status == "SUCCEEDED"
    assert sorted(NOTES) == sorted(["left handler", "left a", "left b"] * 2)


async def swallows(ctx):
    try:
        await ctx.wait(HOUR)
    except asyncio.CancelledError:
        NOTES.append("swallowed")
    return "wrong" if NOTES and len(NOTES) == 1 else "right"


async def swallows_in_a_task(ctx):
    return await asyncio.create_task(swallows(ctx))


async def swallows_in_a_child(ctx):
    return await ctx.run_in_child_context(swallows)


async def swallows_in_an_item(ctx):
    async def item(branch, _):
        return await swallows(branch)

    return (await ctx.map(item, [1])).results[0]


async def replaces_it(ctx):
    try:
        await ctx.wait(HOUR)
    except asyncio.CancelledError:
        NOTES.append("replaced")
        raise ValueError("wrong") from None
    return "right"


async def goes_on(ctx):
    try:
        await ctx.wait(HOUR)
    except asyncio.CancelledError:
        NOTES.append("goes on")
        await ctx.step(work)
    return "right"


@pytest.mark.parametrize(
    "code",
    [swallows, swallows_in_a_task, swallows_in_a_child, swallows_in_an_item, replaces_it, goes_on],
    ids=lambda code: code.__name__,
)
def test_a_suspension_that_code_swallows_or_replaces_never_becomes_a_result(code):
    run = run_of(code)
    assert (run.status, len(run.invocations), len(NOTES)) == ("SUCCEEDED", 2, 1)
    assert run.result in {"right", "wrong"}
    assert run.result == "right" or code not in {replaces_it, goes_on}
    assert run.invocations[0].answer["Status"] == "PENDING"
    kinds = [(record.type, record.status) for record in run.operations if record.type != "CONTEXT"]
    assert kinds == [("WAIT", "SUCCEEDED")]
    assert len(warnings_of(run)) == 1


def test_a_finally_block_may_await_for_a_moment():
    async def code(ctx):
        try:
            await ctx.wait(HOUR)
        finally:
            await asyncio.sleep(0.5)
            NOTES.append("closed")

    assert run_of(code).status == "SUCCEEDED"
    assert NOTES == ["closed"] * 2


def test_a_task_that_does_not_end_is_named_and_left_behind():
    async def stubborn(ctx):
        try:
            await ctx.wait(HOUR)
        finally:
            if not NOTES:
                NOTES.append("stays")
                await asyncio.sleep(1000)

    async def code(ctx):
        await asyncio.create_task(stubborn(ctx))
        return 1

    run = run_of(code)
    assert (run.status, run.result) == ("SUCCEEDED", 1)
    (warning,) = warnings_of(run)
    assert "did not end when it was cancelled" in warning
    assert "in stubborn" in warning


# -------------------------------------------------------------------------------------------- the user's own


def test_to_cancel_what_awaits_touches_neither_the_operation_nor_others_that_await_it():
    async def code(ctx):
        step = ctx.step(slow)

        async def waiter():
            return await step

        first, second = asyncio.create_task(waiter()), asyncio.create_task(waiter())
        await asyncio.sleep(0.1)
        first.cancel()
        return [await second, await step, first.cancelled()]

    async def slow():
        await asyncio.sleep(1)
        NOTES.append("done")
        return 7

    assert run_of(code).result == [7, 7, True]
    assert NOTES == ["done"]


def test_to_cancel_a_durable_task_ends_the_waiting_and_never_the_operation():
    async def code(ctx):
        step = ctx.step(slow)
        gathered = asyncio.gather(step, ctx.wait(HOUR))
        await asyncio.sleep(0.1)
        gathered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathered
        return [step.cancelled(), await ctx.step(work, 2)]

    async def slow():
        await asyncio.sleep(1)
        NOTES.append("done")

    run = run_of(code)
    assert (run.status, run.result, NOTES) == ("SUCCEEDED", [True, 2], ["done"])
    assert [record.status for record in run.operations] == ["SUCCEEDED", "STARTED", "SUCCEEDED"]


def test_a_body_that_is_cancelled_by_its_own_code_has_failed_without_a_retry():
    async def body():
        NOTES.append("tried")
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    async def code(ctx):
        try:
            await ctx.step(body, retry=Retry(max_attempts=5))
        except StepError as error:
            return error.error_type

    run = run_of(code)
    assert (run.result, NOTES) == ("CancelledError", ["tried"])


@pytest.mark.parametrize("kind", ["child", "handler"])
def test_code_that_cancels_itself_fails_its_context(kind):
    async def cancels(ctx):
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    async def code(ctx):
        if kind == "handler":
            return await cancels(ctx)
        return await ctx.run_in_child_context(cancels)

    run = run_of(code)
    error = "CancelledError" if kind == "handler" else "ChildContextError"
    assert (run.status, run.error.error_type) == ("FAILED", error)
    assert {record.error.error_type for record in run.operations} <= {"CancelledError"}


def test_a_timeout_around_a_durable_call_begins_anew_in_each_invocation():
    async def code(ctx):
        async with asyncio.timeout(10):
            await ctx.wait(HOUR)
        return "waited"

    assert run_of(code).result == "waited"


# ----------------------------------------------------------------------------------------- the context's end


def test_tasks_are_cancelled_and_bodies_are_awaited_when_a_context_ends():
    async def endless():
        async with block("task"):
            await asyncio.sleep(10_000)

    async def body():
        await asyncio.sleep(5)
        NOTES.append("body")

    async def child(ctx):
        asyncio.create_task(endless())  # noqa: RUF006 - left on purpose
        ctx.step(body)
        await asyncio.sleep(0.1)
        return 3

    async def code(ctx):
        return await ctx.run_in_child_context(child)

    run = run_of(code)
    assert (run.result, NOTES) == (3, ["left task", "body"])
    assert [record.status for record in run.operations] == ["SUCCEEDED", "SUCCEEDED"]


def test_what_is_parked_and_was_never_awaited_is_named_with_its_line():
    async def code(ctx):
        ctx.wait(HOUR, name="forgotten")
        return await ctx.step(work)

    run = run_of(code)
    assert (run.status, run.result) == ("SUCCEEDED", 1)
    (warning,) = warnings_of(run)
    assert "wait 'forgotten' (#1) was not awaited" in warning
    assert "test_async_cancellation.py:" in warning


def test_a_failure_that_nobody_asked_for_fails_the_context():
    async def fails():
        raise LookupError("lost")

    async def child(ctx):
        ctx.step(fails, retry=Retry.none())
        return 1

    async def code(ctx):
        try:
            await ctx.run_in_child_context(child)
        except Exception as error:  # noqa: BLE001
            return type(error).__name__, str(error)

    assert run_of(code).result == ["ChildContextError", "lost"]


def test_a_failure_that_was_asked_for_fails_nothing():
    async def fails():
        raise LookupError("seen")

    async def code(ctx):
        results = await asyncio.gather(ctx.step(fails, retry=Retry.none()), return_exceptions=True)
        step = ctx.step(fails, retry=Retry.none())
        step.add_done_callback(lambda task: NOTES.append(str(task.exception())))
        await ctx.step(work)
        return str(results[0])

    assert run_of(code).result == "seen"
    assert NOTES == ["seen"]


# ------------------------------------------------------------------------------------------------------ race


async def fails():
    raise LookupError("no")


def test_the_first_to_end_wins_and_its_key_is_recorded():
    async def code(ctx):
        paid = await ctx.create_callback(name="paid", timeout=timedelta(days=1))
        return list(await ctx.race({"paid": paid.result(), "late": ctx.wait(3 * HOUR)}, name="payment"))

    run = run_of(code)
    assert run.result == ["late", None]
    race = next(record for record in run.operations if record.name == "payment")
    assert (race.type, race.sub_type, race.status, race.step_details.result) == (
        "STEP",
        "Race",
        "SUCCEEDED",
        '{"won": "late"}',
    )


def test_a_failure_wins_too_and_says_whose_it_is():
    async def code(ctx):
        try:
            await ctx.race([ctx.wait(HOUR), ctx.step(fails, retry=Retry.none())])
        except StepError as error:
            await ctx.wait(2 * HOUR)
            return error.contestant, str(error)

    assert run_of(code).result == [1, "no"]


def test_a_failure_outside_of_a_race_is_nobodys_and_one_of_the_users_own_class_is_marked_too():
    async def alone():
        raise LookupError

    async def code(ctx):
        try:
            await ctx.step(fails, retry=Retry.none())
        except StepError as error:
            outside = error.contestant
        try:
            await ctx.race({"alone": alone(), "slow": ctx.wait(HOUR)})
        except LookupError as error:
            return [outside, error.contestant]

    assert run_of(code).result == [None, "alone"]


def test_a_loser_that_fails_later_fails_nothing_and_is_logged():
    async def late(ctx):
        await ctx.wait(60)
        await ctx.step(fails, retry=Retry.none())

    async def code(ctx):
        key, _ = await ctx.race({"fast": ctx.step(work), "slow": ctx.run_in_child_context(late)})
        await ctx.wait(HOUR)
        return key

    run = run_of(code)
    assert run.result == "fast"
    assert any("failed after it had lost a race" in warning for warning in warnings_of(run))


def test_cancelled_losers_are_recorded_as_failed_and_stay_so_on_replay():
    async def endless():
        try:
            await asyncio.sleep(100_000)
        finally:
            NOTES.append("stopped")

    async def child(ctx):
        await ctx.step(work)
        async with block("child"):
            await asyncio.sleep(100_000)

    async def task(ctx):
        async with block("task"):
            await ctx.wait(5 * HOUR)

    async def code(ctx):
        contestants = {
            "step": ctx.step(endless),
            "child": ctx.run_in_child_context(child),
            "task": asyncio.create_task(task(ctx)),
            "wait": ctx.wait(10 * HOUR),
            "winner": ctx.step(quick),
        }
        key, value = await ctx.race(contestants, cancel=True)
        states = [contestants[name].cancelled() for name in ("step", "child", "wait")]
        await ctx.wait(60)
        return [key, value, states]

    async def quick():
        await asyncio.sleep(5)
        return "won"

    run = run_of(code)
    assert run.result == ["winner", "won", [True, True, True]]
    assert sorted(NOTES) == ["left child", "left task", "left task", "stopped"]  # code runs again, bodies don't
    errors = {record.name: record.error.error_type for record in run.operations if record.status == "FAILED"}
    assert errors == {"endless": OperationCancelledError.__name__, "child": OperationCancelledError.__name__}


@pytest.mark.parametrize("seed", range(8))
def test_the_winner_is_the_same_on_every_replay(seed):
    async def code(ctx):
        async def contestant(number):
            for _ in range(number % 3 + 1):
                await ctx.step(work, number)
            return number

        first = await ctx.race([contestant(number) for number in range(5)])
        await ctx.wait(HOUR)
        second = await ctx.race([contestant(number) for number in range(5)])
        await ctx.wait(HOUR)
        return [list(first), list(second)]

    run = run_of(code, seed=seed)
    won = [record.step_details.result for record in run.operations if record.sub_type == "Race"]
    assert [f'{{"won": {key}}}' for key, _ in run.result] == won
    assert all(key == value for key, value in run.result)


def test_a_plain_wait_after_a_race_is_waited_for_though_a_loser_is_open():
    async def code(ctx):
        answer = await ctx.create_callback(name="answer")
        key, _ = await ctx.race({"answer": answer.result(), "late": ctx.wait(60)})
        await asyncio.sleep(3)
        return key

    run = run_of(code)
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "late", 2)
