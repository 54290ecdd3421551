"""Waits, as docs/operations/wait.md quotes them. Each handler is run by tests/examples/test_wait.py."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import DurableContext, durable


def send(user: str, letter: str) -> str:
    """Send a letter."""
    return f"{letter} to {user}"


# --8<-- [start:wait]
@durable
def welcome(user: str, ctx: DurableContext) -> list[str]:
    first = ctx.step(send, user, "welcome", name="send-welcome")
    ctx.wait(timedelta(days=3), name="three-days")
    second = ctx.step(send, user, "how-is-it-going", name="send-follow-up")
    return [first, second]


# --8<-- [end:wait]


# --8<-- [start:wait_until]
@durable
def next_morning(user: str, ctx: DurableContext) -> str:
    tomorrow = ctx.started_at + timedelta(days=1)
    ctx.wait_until(
        tomorrow.replace(hour=9, minute=0, second=0, microsecond=0), name="nine-o-clock"
    )
    return ctx.step(send, user, "good-morning")


# --8<-- [end:wait_until]


# --8<-- [start:loop]
@durable
def remind(letters: list[str], ctx: DurableContext) -> int:
    for number, letter in enumerate(letters, start=1):
        ctx.step(send, "ada", letter, name=f"reminder-{number}")
        ctx.wait(timedelta(weeks=1), name=f"week-{number}")
    return len(letters)


# --8<-- [end:loop]
