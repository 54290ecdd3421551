"""Suite "wait_for_callback"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from handlers.common import ONE_SECOND, broken, same
from powertools_durable import DurableContext, Retry, durable


def submit(callback_id: str) -> None:
    """Somebody outside finds the id in the history."""


def submit_in_vain(callback_id: str) -> None:
    broken()


@durable
def basic(name: str, ctx: DurableContext) -> Any:
    return ctx.wait_for_callback(submit, name=name)


@durable
def named(event: Any, ctx: DurableContext) -> Any:
    return ctx.wait_for_callback(submit, name="approval")


@durable
def anonymous(event: Any, ctx: DurableContext) -> Any:
    return ctx.wait_for_callback(lambda callback_id: None)


@durable
def times_out(name: str, ctx: DurableContext) -> Any:
    return ctx.wait_for_callback(submit, name=name, timeout=timedelta(seconds=3))


@durable
def submitter_fails(name: str, ctx: DurableContext) -> Any:
    twice = Retry(max_attempts=2, initial_delay=1, backoff_rate=1, jitter="none")
    return ctx.wait_for_callback(submit_in_vain, name=name, retry=twice)


@durable
def inside_a_child(name: str, ctx: DurableContext) -> Any:
    def wrapper(child: DurableContext) -> Any:
        return child.wait_for_callback(submit, name=name)

    return ctx.run_in_child_context(wrapper)


@durable
def one_after_the_other(event: Any, ctx: DurableContext) -> Any:
    ctx.wait_for_callback(submit, name="first")
    return ctx.wait_for_callback(submit, name="second")


@durable
def after_wait_and_step(name: str, ctx: DurableContext) -> Any:
    ctx.wait(timedelta(seconds=1))
    ctx.step(same, "data", retry=ONE_SECOND)
    return ctx.wait_for_callback(submit, name=name)


@durable
def typed(name: str, ctx: DurableContext) -> str:
    answer: dict[str, str] = ctx.wait_for_callback(submit, name=name, returns=dict)
    return answer["status"]


@durable
def heartbeat(name: str, ctx: DurableContext) -> Any:
    return ctx.wait_for_callback(submit, name=name, heartbeat_timeout=timedelta(seconds=10))
