"""The code expects an at-most-once step to run exactly once: nothing handles the case that it was interrupted."""

from __future__ import annotations

from powertools_durable import Retry, StepSemantics, durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "the execution is FAILED: nothing handles that it was interrupted"


def charge(order_id):
    ledger.record("charge", order=order_id)


@durable
def handler(event, ctx):
    ctx.step(charge, event["id"], semantics=StepSemantics.AT_MOST_ONCE, retry=Retry.none())
    return "paid"
