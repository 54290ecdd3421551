"""A side effect outside of a step: each replay repeats it."""

from __future__ import annotations

from powertools_durable import durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "made outside of any step"


def charge(order_id):
    return f"payment-of-{order_id}"


@durable
def handler(event, ctx):
    payment = ctx.step(charge, event["id"])
    ledger.record("mail", to=event["id"])
    return payment
