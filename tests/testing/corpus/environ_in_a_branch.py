"""A feature flag is read from os.environ outside of a step."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    is_new = "NEW_FLOW" in os.environ and os.environ["NEW_FLOW"] != "off"
    if is_new or os.environ.get("NEW_FLOW_FOR_ALL") == "changed":
        ctx.step(str, event["id"], name="score")
    return ctx.step(str, event["id"], name="charge")
