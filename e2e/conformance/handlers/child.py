"""Suite "child"."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from handlers.common import ONE_SECOND, BrokenError, Uppercase, broken, crash_once_started, logger, same, unreliable
from powertools_durable import ChildContextError, DurableConfig, DurableContext, Retry, durable

LARGE = 300 * 1024  # more than a record may hold
LOG_ALL = DurableConfig(log_replays=True)


def one_step(ctx: DurableContext, text: str) -> str:
    return ctx.step(same, text)


def step_then_wait(ctx: DurableContext, text: str) -> str:
    result = ctx.step(same, text)
    ctx.wait(timedelta(seconds=1))
    return result


def one_broken_step(ctx: DurableContext, retry: Retry) -> None:
    ctx.step(broken, retry=retry)


@durable
def basic(text: str, ctx: DurableContext) -> str:
    return ctx.run_in_child_context(one_step, text)


@durable
def named(event: dict[str, str], ctx: DurableContext) -> str:
    return ctx.run_in_child_context(one_step, event["value"], name=event["name"])


@durable
def sequential(text: str, ctx: DurableContext) -> str:
    def two_steps(child: DurableContext) -> str:
        return child.step(same, child.step(same, text))

    return ctx.run_in_child_context(two_steps)


@durable
def failing_step(event: Any, ctx: DurableContext) -> None:
    ctx.run_in_child_context(one_broken_step, Retry.none())


@durable
def caught(text: str, ctx: DurableContext) -> str:
    try:
        ctx.run_in_child_context(one_broken_step, Retry.none())
    except ChildContextError:
        return ctx.step(same, text, name="recovery")
    return "nothing failed"


@durable
def retried(text: str, ctx: DurableContext) -> str:
    def retried_step(child: DurableContext) -> str:
        return child.step(unreliable, text, 2, retry=ONE_SECOND)

    return ctx.run_in_child_context(retried_step)


@durable
def exhausted(event: Any, ctx: DurableContext) -> None:
    ctx.run_in_child_context(one_broken_step, Retry(max_attempts=2, initial_delay=1))


@durable
def skipped_on_replay(text: str, ctx: DurableContext) -> str:
    result = ctx.run_in_child_context(one_step, text)
    ctx.wait(timedelta(seconds=1))
    return result


@durable
def step_and_wait(text: str, ctx: DurableContext) -> str:
    return ctx.run_in_child_context(step_then_wait, text)


@durable(logger=logger, config=LOG_ALL)
def large_result(text: str, ctx: DurableContext) -> int:
    def build(child: DurableContext) -> str:
        child.logger.info(text)
        return child.step(same, "x") * LARGE

    result = ctx.run_in_child_context(build)
    ctx.wait(timedelta(seconds=1))
    return len(result)


@durable
def interrupted(text: str, ctx: DurableContext) -> str:
    # The record can't tell the two runs of an interrupted attempt apart, so a file does.
    mark = Path(tempfile.gettempdir(), f"interrupted-{ctx.uuid4()}")

    def crash_at_first() -> str:
        if not mark.exists():
            mark.touch()
            crash_once_started(ctx)
        mark.unlink()
        return text

    def interrupted_step(child: DurableContext) -> str:
        return child.step(crash_at_first)

    return ctx.run_in_child_context(interrupted_step)


@durable
def custom_serdes(text: str, ctx: DurableContext) -> str:
    return ctx.run_in_child_context(one_step, text, serdes=Uppercase())


@durable
def failing_body(event: Any, ctx: DurableContext) -> None:
    def no_operation(child: DurableContext) -> None:
        raise BrokenError("raised by the child itself")

    ctx.run_in_child_context(no_operation)


@durable(logger=logger, config=LOG_ALL)
def logs_once(text: str, ctx: DurableContext) -> str:
    def logs(child: DurableContext) -> str:
        child.logger.info(text)
        return text

    result = ctx.run_in_child_context(logs)
    ctx.wait(timedelta(seconds=1))
    return result


@durable
def inside_and_after(text: str, ctx: DurableContext) -> str:
    result = ctx.run_in_child_context(step_then_wait, text)
    ctx.step(same, text)
    ctx.wait(timedelta(seconds=1))
    return result
