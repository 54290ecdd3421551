"""An environment variable decides how many steps there are."""

from __future__ import annotations

import os

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "is not recorded any more"


@durable
def handler(event, ctx):
    copies = int(os.getenv("COPIES", "2"))
    return [ctx.step(str, event["id"], name=f"print-{number}") for number in range(copies)]
