"""A wait for a condition with every option."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import DurableContext, Polling, WaitForConditionError, durable


class Export(BaseModel):
    table: str
    status: str = "RUNNING"
    checks: int = 0


def check_export(last: Export) -> Export:
    """Ask for the status of an export; this one takes three checks."""
    checks = last.checks + 1
    return Export(
        table=last.table, checks=checks, status="DONE" if checks == 3 else "RUNNING"
    )


def is_done(state: Export) -> bool:
    return state.status == "DONE"


@durable
def export(table: str, ctx: DurableContext) -> str:
    try:
        state = ctx.wait_for_condition(
            check_export,
            initial=Export(table=table),
            polling=Polling(
                is_done,
                max_attempts=20,
                initial_delay=10,
                max_delay=120,
                backoff_rate=2,
                jitter="none",
            ),
            timeout=timedelta(hours=1),
            name="export-done",
            returns=Export,
        )
    except WaitForConditionError as error:
        return f"not exported: {error.message}"
    return f"exported after {state.checks} checks"
