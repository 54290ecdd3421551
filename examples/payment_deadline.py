"""A payment against a deadline: whichever comes first is recorded, so every replay takes the same way.

Run it here, and pay or don't::

    powertools-durable run examples/payment_deadline.py:handler --event '{"id": "42", "amount": "51.00"}' --skip-time

Nobody pays, so the order is cancelled. To pay, add ``--answer 'paid={"id": "p-1", "amount": "51.00"}'``.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import AsyncDurableContext, CallbackExternalError, durable


class Order(BaseModel):
    id: str
    amount: Decimal


class Payment(BaseModel):
    id: str
    amount: Decimal


async def send_link(order: Order, callback_id: str) -> None:
    """Send the customer a payment link. The payment service answers the callback."""


async def send_reminder(order: Order) -> None:
    """Remind the customer."""


async def release(order: Order) -> str:
    """Put the goods back on the shelf."""
    return f"order {order.id} is cancelled"


async def remind(ctx: AsyncDurableContext, order: Order) -> None:
    """Remind the customer each day, until the race is over and cancels this."""
    for day in (1, 2):
        await ctx.wait(timedelta(days=1), name=f"day-{day}")
        await ctx.step(send_reminder, order, name=f"reminder-{day}")
    await ctx.wait(timedelta(days=1), name="day-3")


# --8<-- [start:race]
@durable
async def handler(order: Order, ctx: AsyncDurableContext) -> str:
    """Wait for a payment, for three days at most."""
    paid = await ctx.create_callback(name="paid", returns=Payment)
    await ctx.step(send_link, order, paid.callback_id)
    try:
        _, payment = await ctx.race(
            {"paid": paid.result(), "late": remind(ctx, order)},
            name="payment",
            cancel=True,
        )
    except CallbackExternalError as error:  # a failure can win, too
        return f"the payment failed: {error.message}"
    if payment is None:  # `remind` has ended
        return await ctx.step(release, order)
    return f"order {order.id} is paid by {payment.id}"


# --8<-- [end:race]
