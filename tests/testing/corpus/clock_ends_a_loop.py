"""A loop of steps ends by the clock, so a replay asks for fewer or more of them."""

from __future__ import annotations

import time
from itertools import count

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = None


@durable
def handler(event, ctx):
    ends = time.time() + 2
    for attempt in count():
        if time.time() > ends or ctx.step(str, event["id"], name=f"try-{attempt}") == event["id"]:
            break
    return attempt
