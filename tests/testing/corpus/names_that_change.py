"""A retry loop of your own, in which each attempt has a name that a replay does not find again."""

from __future__ import annotations

import time

from powertools_durable import Retry, StepError, current_step, durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"id": "order-42"}
DOCTOR = "clock"
SAYS = "the code asks for"


def charge(order_id):
    if ledger.record("charge", key=current_step().name):
        raise TimeoutError(order_id)
    return "paid"


@durable
def handler(event, ctx):
    for _ in range(3):
        try:
            return ctx.step(charge, event["id"], name=f"charge-{int(time.time())}", retry=Retry.none())
        except StepError:
            ctx.wait(30)
    return "given up"
