"""Functions that others invoke. They wait first, so that their caller's invocation has ended before they answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from handlers.common import BrokenError
from powertools_durable import DurableContext, durable


@durable
def echo(event: Any, ctx: DurableContext) -> Any:
    ctx.wait(timedelta(seconds=1))
    return event


@durable
def fails(event: Any, ctx: DurableContext) -> None:
    ctx.wait(timedelta(seconds=1))
    raise BrokenError("broken on purpose")
