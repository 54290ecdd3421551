"""A function of another module reads os.getenv, and decides which step runs."""

from __future__ import annotations

from powertools_durable import durable
from tests.testing.corpus.services import flags

EVENT = {"id": "order-42"}
DOCTOR = "environment"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    if flags.is_on("CHECK_ADDRESS"):
        ctx.step(str, event["id"], name="check-address")
    return ctx.step(str, event["id"], name="ship")
