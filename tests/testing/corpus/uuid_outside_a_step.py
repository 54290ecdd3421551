"""An id that is created outside of a step: the parcel gets another id than the payment."""

from __future__ import annotations

import uuid

from powertools_durable import durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "in place of"


@durable
def handler(event, ctx):
    reference = str(uuid.uuid4())
    paid = ctx.step(lambda: reference, name="charge")
    ctx.step(lambda: reference, name="ship")
    return {"paid": paid, "shipped": reference}
