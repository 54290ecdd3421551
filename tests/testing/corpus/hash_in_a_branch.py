"""The hash of a string decides which step runs: it differs from process to process."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "process"
SAYS = None


@durable
def handler(event, ctx):
    shard = hash(event["id"]) % 4
    return ctx.step(str, event["id"], name=f"shard-{shard}")
