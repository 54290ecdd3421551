"""The name of a step contains the process id, and another process continues."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "process"
SAYS = None


@durable
def handler(event, ctx):
    return ctx.step(str, event["id"], name=f"charge-by-{os.getpid()}")
