"""``except BaseException`` around a wait catches the signal that suspends the execution."""

from __future__ import annotations

import contextlib

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "suspension"
SAYS = "swallows the signal that suspends the execution"


@durable
def handler(event, ctx):
    with contextlib.suppress(BaseException):
        ctx.wait(60, name="cool-off")
    return ctx.step(str, event["id"], name="ship")
