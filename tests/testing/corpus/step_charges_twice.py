"""A step that is not idempotent: if the process dies before its result is recorded, the card is charged again."""

from __future__ import annotations

from powertools_durable import durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "effect 'charge' happens 2 times in place of once"


def charge(order_id):
    ledger.record("charge", order=order_id)
    return f"payment-of-{order_id}"


@durable
def handler(event, ctx):
    return ctx.step(charge, event["id"])
