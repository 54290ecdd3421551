"""An environment variable decides which way to go, and a deployment changes it for running executions."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    if os.environ.get("CHECK_FRAUD", "true") == "true":
        ctx.step(str, event["id"], name="check-fraud")
    return ctx.step(str, event["id"], name="charge")
