"""The code repeats an interrupted at-most-once step, which may have charged the card already."""

from __future__ import annotations

from powertools_durable import Retry, StepError, StepSemantics, durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "effect 'charge' happens"


def charge(order_id):
    ledger.record("charge", order=order_id)
    return "paid"


@durable
def handler(event, ctx):
    for attempt in (1, 2, 3):
        try:
            once = StepSemantics.AT_MOST_ONCE
            return ctx.step(charge, event["id"], name=f"charge-{attempt}", semantics=once, retry=Retry.none())
        except StepError:
            continue
    return "given up"
