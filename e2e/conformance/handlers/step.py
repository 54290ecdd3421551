"""Suite "step"."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

from handlers.common import ONE_SECOND, BrokenError, Uppercase, broken, crash, logger, same, unreliable
from powertools_durable import DurableContext, Retry, StepError, StepSemantics, current_step, durable


class TransientError(Exception):
    """The one that is worth another attempt."""


def greet(name: str) -> str:
    return f"Hello, {name}!"


@durable
def basic(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


@durable
def named(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name, name="custom_step_name")


@durable
def sequential(event: Any, ctx: DurableContext) -> str:
    first = ctx.step(same, "first")
    return ctx.step(lambda: f"{first}_second")


@durable
def complex_object(event: dict[str, Any], ctx: DurableContext) -> dict[str, Any]:
    def build() -> dict[str, Any]:
        return {"user": {"name": event["name"], "tags": event["tags"]}, "count": len(event["tags"])}

    return ctx.step(build)


@durable
def custom_serdes(text: str, ctx: DurableContext) -> str:
    return ctx.step(same, text, serdes=Uppercase())


@durable(logger=logger)
def logging_step(name: str, ctx: DurableContext) -> str:
    def greet_aloud() -> str:
        ctx.logger.info("Greeting step started for: %s", name)
        greeting = greet(name)
        ctx.logger.info("Greeting step completed with: %s", greeting)
        return greeting

    return ctx.step(greet_aloud)


@durable
def skipped_on_replay(event: Any, ctx: DurableContext) -> str:
    result = ctx.step(same, "computed")
    ctx.wait(timedelta(seconds=2))
    return result


@durable
def fails_again_on_replay(event: Any, ctx: DurableContext) -> str:
    with contextlib.suppress(StepError):
        ctx.step(broken, retry=Retry.none())
    ctx.wait(1)
    return "went on"


@durable
def retried(event: Any, ctx: DurableContext) -> str:
    return ctx.step(unreliable, "Operation succeeded", 2, retry=ONE_SECOND)


@durable
def exhausted(event: Any, ctx: DurableContext) -> None:
    ctx.step(broken, retry=ONE_SECOND)


@durable
def default_retry(event: Any, ctx: DurableContext) -> str:
    return ctx.step(unreliable, "done", 3)


@durable
def growing_delays(event: Any, ctx: DurableContext) -> str:
    retry = Retry(max_attempts=5, initial_delay=2, backoff_rate=3, jitter="none")
    return ctx.step(unreliable, "done", 3, retry=retry)


@durable
def retried_by_type(event: Any, ctx: DurableContext) -> str:
    def transient() -> str:
        try:
            return unreliable("done", 2)
        except BrokenError as error:
            raise TransientError("this passes") from error

    retry = Retry(initial_delay=1, jitter="none", retry_on=(TransientError,))
    return ctx.step(transient, retry=retry)


@durable(logger=logger)
def interrupted_for_good(text: str, ctx: DurableContext) -> str:
    def flaky() -> str:
        ctx.logger.info(text)
        crash()

    return ctx.step(
        flaky, name="at_most_once_flaky_step", retry=Retry.none(), semantics=StepSemantics.AT_MOST_ONCE, returns=str
    )


@durable(logger=logger)
def interrupted_once(text: str, ctx: DurableContext) -> str:
    def flaky() -> str:
        ctx.logger.info(text)
        if current_step().attempt == 1:
            crash()
        return "succeeded on second attempt"

    return ctx.step(flaky, retry=ONE_SECOND, semantics=StepSemantics.AT_MOST_ONCE)


@durable
def caught(event: Any, ctx: DurableContext) -> str:
    try:
        result = ctx.step(broken, retry=Retry.none())
    except StepError:
        result = "fallback_result"
    return ctx.step(same, result)
