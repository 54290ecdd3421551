"""Polling, as docs/operations/wait-for-condition.md quotes it. Run by tests/examples/test_wait_for_condition.py."""

from __future__ import annotations

from pydantic import BaseModel

from powertools_durable import DurableContext, Polling, WaitForConditionError, durable


# --8<-- [start:poll]
class Stack(BaseModel):
    name: str
    status: str = "CREATE_IN_PROGRESS"
    checks: int = 0


def check_stack(stack: Stack) -> Stack:
    """Ask for the status of a stack. This one is ready at the fourth check."""
    checks = stack.checks + 1
    return Stack(
        name=stack.name,
        checks=checks,
        status="CREATE_COMPLETE" if checks == 4 else "CREATE_IN_PROGRESS",
    )


def is_up(stack: Stack) -> bool:
    return stack.status == "CREATE_COMPLETE"


@durable
def create(name: str, ctx: DurableContext) -> str:
    stack = ctx.wait_for_condition(
        check_stack, initial=Stack(name=name), polling=Polling(is_up, initial_delay=10)
    )
    return f"{stack.name} was up after {stack.checks} checks"


# --8<-- [end:poll]


# --8<-- [start:failure]
def temperature(last: float) -> float:
    """Read a thermometer. It gets half a degree warmer between two checks."""
    if last >= 30:
        raise OverflowError("the thermometer has burst")
    return last + 0.5


@durable
def warm_up(start: float, ctx: DurableContext) -> str:
    polling = Polling(
        lambda degrees: degrees >= 20,
        max_attempts=10,
        initial_delay=60,
        backoff_rate=1,
        jitter="none",
    )
    try:
        degrees = ctx.wait_for_condition(temperature, initial=start, polling=polling)
    except WaitForConditionError as error:
        return f"not warm enough: {error.message}"
    return f"{degrees} degrees"


# --8<-- [end:failure]


def count_rows(last: int) -> int:
    """Count the imported rows: a thousand more each time."""
    return last + 1000


# --8<-- [start:stuck]
class Progress(BaseModel):
    rows: int = 0
    same_for: int = 0


def watch(progress: Progress) -> Progress:
    rows = count_rows(progress.rows)
    return Progress(
        rows=rows, same_for=progress.same_for + 1 if rows == progress.rows else 0
    )


@durable
def import_rows(wanted: int, ctx: DurableContext) -> str:
    polling = Polling(
        lambda progress: progress.rows >= wanted or progress.same_for == 3
    )
    progress = ctx.wait_for_condition(watch, initial=Progress(), polling=polling)
    return "stuck" if progress.rows < wanted else "imported"


# --8<-- [end:stuck]
