"""The name of a step contains an environment variable."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    stage = os.environ.get("STAGE", "dev")
    ctx.step(str, event["id"], name="reserve")
    return ctx.step(str, event["id"], name=f"charge-{stage}")
