"""The function of a map reads the clock, and another step runs after a crash."""

from __future__ import annotations

import time

from powertools_durable import durable

EVENT = ["a", "b"]
DOCTOR = "clock"
SAYS = "the code asks for"


def pack(child, item):
    child.step(str, item, name="weigh")
    express = time.localtime().tm_hour < 12
    return child.step(str, item, name="express" if express else "standard")


@durable
def handler(event, ctx):
    return ctx.map(pack, event).results
