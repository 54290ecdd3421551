"""The deadline is read from the clock outside of a step, so each replay sets another one."""

from __future__ import annotations

import time

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "its result is"


@durable
def handler(event, ctx):
    deadline = int(time.time()) + 3600
    ctx.step(str, event["id"], name="charge")
    return ctx.step(lambda: deadline, name="promise")
