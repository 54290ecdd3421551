"""Each attempt creates a new idempotency key, so the receiver can't recognise a repeated request."""

from __future__ import annotations

from uuid import uuid4

from powertools_durable import durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "effect 'charge' has another key in each attempt"


def charge(order_id):
    ledger.record("charge", key=str(uuid4()), order=order_id)
    return f"payment-of-{order_id}"


@durable
def handler(event, ctx):
    return ctx.step(charge, event["id"])
