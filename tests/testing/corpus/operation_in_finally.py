"""A durable call in ``finally``: the block also runs when the execution is only suspended."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"room": "blue"}
DOCTOR = "finally"
SAYS = "is called while a suspension passes through"


@durable
def handler(event, ctx):
    key = ctx.step(str, event["room"], name="lock")
    try:
        ctx.wait(3600, name="until-the-paint-is-dry")
    finally:
        ctx.step(str, key, name="unlock")
