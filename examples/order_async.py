"""The order of `order.py` as an ``async def`` handler: what doesn't depend on each other happens at the same time.

Run it here, without an AWS account::

    powertools-durable run examples/order_async.py:handler --event @examples/order.json

Goods are set aside while the card is charged, and all labels are printed at once. Kill it wherever you like:
``powertools-durable resume`` goes on where it was, and no card is charged twice.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel, Field

from powertools_durable import AsyncDurableContext, Retry, current_step, durable


class Item(BaseModel):
    sku: str
    quantity: int = Field(gt=0)
    price: Decimal


class Order(BaseModel):
    id: str
    email: str
    items: list[Item] = Field(min_length=1)

    @property
    def total(self) -> Decimal:
        return sum((item.price * item.quantity for item in self.items), Decimal(0))


class Payment(BaseModel):
    id: str
    amount: Decimal


class Approval(BaseModel):
    approved: bool
    by: str


class Receipt(BaseModel):
    order: str
    payment: Payment
    approved_by: str
    parcels: list[str]


class CardNetworkBusyError(Exception):
    """The card network asks to come back later."""


async def reserve(order: Order) -> list[str]:
    """Set the goods aside."""
    return [item.sku for item in order.items]


async def charge(order: Order) -> Payment:
    """Charge the card; its network is busy twice before it answers."""
    if current_step().attempt < 3:
        raise CardNetworkBusyError("try again later")
    return Payment(id=f"pay-{order.id}", amount=order.total)


async def ask_for_approval(order: Order, callback_id: str) -> None:
    """Send the callback id to the person who decides; here, the terminal shows how to answer."""


def label(sku: str) -> str:
    """Print the label of one parcel; a driver that blocks, so it runs on a thread."""
    return f"parcel-{sku}"


async def ship(ctx: AsyncDurableContext, order: Order) -> list[str]:
    """Pack all items at once; a context of its own keeps the steps together in the history."""
    return await asyncio.gather(
        *[ctx.step(label, item.sku, name=f"label-{item.sku}") for item in order.items]
    )


BUSY = Retry(max_attempts=5, initial_delay=1, retry_on=(CardNetworkBusyError,))


@durable
async def handler(order: Order, ctx: AsyncDurableContext) -> Receipt:
    """Take an order from card to parcel."""
    _, payment = await asyncio.gather(
        ctx.step(reserve, order), ctx.step(charge, order, retry=BUSY)
    )
    await ctx.wait(timedelta(seconds=5), name="cooling-off")

    approval = await ctx.create_callback(
        name="approval", timeout=timedelta(days=2), returns=Approval
    )
    await ctx.step(ask_for_approval, order, approval.callback_id)
    decision = await approval.result()
    if not decision.approved:
        raise PermissionError(f"{decision.by} did not approve")

    parcels = await ctx.run_in_child_context(ship, order)
    return Receipt(
        order=order.id, payment=payment, approved_by=decision.by, parcels=parcels
    )
