"""The handler sleeps outside of a step: each replay sleeps again."""

from __future__ import annotations

import time

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "sleep"
SAYS = None


@durable
def handler(event, ctx):
    ctx.step(str, event["id"], name="start")
    time.sleep(0.001)
    return ctx.step(str, event["id"], name="check")
