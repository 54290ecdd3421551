"""Suite "wait"."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from powertools_durable import DurableContext, durable


@durable
def basic(event: Any, ctx: DurableContext) -> None:
    ctx.wait(timedelta(seconds=2))


@durable
def named(event: Any, ctx: DurableContext) -> None:
    ctx.wait(timedelta(seconds=2), name="custom_wait_name")


@durable
def sequential(event: Any, ctx: DurableContext) -> dict[str, int]:
    names = ("wait-1", "wait-2")
    for name in names:
        ctx.wait(timedelta(seconds=2), name=name)
    return {"completedWaits": len(names)}


@durable
def one_hour(event: Any, ctx: DurableContext) -> None:
    ctx.wait(timedelta(hours=1))
