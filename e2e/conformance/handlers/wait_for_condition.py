"""Suite "wait_for_condition"."""

from __future__ import annotations

from typing import Any

from handlers.common import broken
from powertools_durable import DurableContext, Polling, WaitForConditionError, durable
from powertools_durable.serdes import SerDesContext


def until(condition: Any, max_attempts: int = 60) -> Polling:
    return Polling(condition, max_attempts=max_attempts, initial_delay=1, backoff_rate=1, jitter="none")


def one_more(state: int) -> int:
    return state + 1


def fails(state: int) -> int:
    broken()


class Reversed:
    """A serdes that the state must come back through."""

    def serialize(self, value: str, context: SerDesContext) -> str:
        return f"<{value[::-1]}>"

    def deserialize(self, text: str, context: SerDesContext) -> str:
        return text[1:-1][::-1]


@durable
def counts(limit: int, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(one_more, initial=0, polling=until(lambda state: state >= limit))


@durable
def met_at_once(limit: int, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(lambda state: state, initial=5, polling=until(lambda state: state >= limit))


@durable
def named(limit: int, ctx: DurableContext) -> int:
    polling = until(lambda state: state >= limit)
    return ctx.wait_for_condition(one_more, initial=0, polling=polling, name="poll-status")


@durable
def from_five(limit: int, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(one_more, initial=5, polling=until(lambda state: state >= limit))


@durable
def exhausted(event: Any, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(one_more, initial=0, polling=until(lambda state: False, max_attempts=3))


@durable
def check_fails(event: Any, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(fails, initial=0, polling=until(bool))


@durable
def caught(event: Any, ctx: DurableContext) -> str:
    try:
        ctx.wait_for_condition(fails, initial=0, polling=until(bool))
    except WaitForConditionError:
        return "recovered"
    return "nothing failed"


@durable
def structured(event: Any, ctx: DurableContext) -> dict[str, Any]:
    def check(state: dict[str, Any]) -> dict[str, Any]:
        attempts = state["attempts"] + 1
        return {"status": "DONE" if attempts >= 2 else "PENDING", "attempts": attempts}

    polling = until(lambda state: state["status"] == "DONE")
    return ctx.wait_for_condition(check, initial={"status": "PENDING", "attempts": 0}, polling=polling)


@durable
def custom_serdes(event: Any, ctx: DurableContext) -> str:
    polling = until(lambda state: len(state) >= 2)
    return ctx.wait_for_condition(lambda state: f"{state}x", initial="", polling=polling, serdes=Reversed())


@durable
def before_a_step(limit: int, ctx: DurableContext) -> int:
    state = ctx.wait_for_condition(one_more, initial=0, polling=until(lambda state: state >= limit))
    return ctx.step(lambda: state * 10, name="multiply")


@durable
def one_after_the_other(event: Any, ctx: DurableContext) -> int:
    first = ctx.wait_for_condition(one_more, initial=0, polling=until(lambda state: state >= 2))
    return ctx.wait_for_condition(one_more, initial=first, polling=until(lambda state: state >= 4))
