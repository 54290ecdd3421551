"""The handler of the README: five lines, two plain functions.

Run it here::

    powertools-durable run examples/five_lines.py:handler --event '"order-42"' --skip-time
"""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import DurableContext, durable


def charge(order_id: str) -> str:
    """Charge the card."""
    return f"payment-of-{order_id}"


def ship(order_id: str, payment: str) -> str:
    """Hand the parcel over."""
    return f"{order_id} is on its way, paid by {payment}"


# --8<-- [start:handler]
@durable
def handler(order_id: str, ctx: DurableContext) -> str:
    payment = ctx.step(charge, order_id)
    ctx.wait(timedelta(days=1))
    return ctx.step(ship, order_id, payment)


# --8<-- [end:handler]
