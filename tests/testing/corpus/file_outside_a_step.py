"""A file is written outside of a step: each replay writes it again. This is found without a ledger."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "io"
SAYS = "writes a file outside of any step"


@durable
def handler(event, ctx):
    with Path(gettempdir(), "powertools-durable-corpus.log").open("a") as log:
        log.write(event["id"])
    return ctx.step(str, event["id"], name="charge")
