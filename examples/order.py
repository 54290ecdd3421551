"""An order on its way: charge the card, let it cool off, ask a human, ship it.

Run it here, without an AWS account::

    powertools-durable run examples/order.py:handler --event @examples/order.json

It stops where a human must decide, and prints how to answer. Kill it wherever you like: ``powertools-durable
resume`` goes on where it was, and no card is charged twice.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel, Field

from powertools_durable import DurableContext, Retry, current_step, durable


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


def reserve(order: Order) -> list[str]:
    """Set the goods aside."""
    return [item.sku for item in order.items]


def charge(order: Order) -> Payment:
    """Charge the card; its network is busy twice before it answers."""
    if current_step().attempt < 3:
        raise CardNetworkBusyError("try again later")
    return Payment(id=f"pay-{order.id}", amount=order.total)


def ask_for_approval(order: Order, callback_id: str) -> None:
    """Send the callback id to the person who decides; here, the terminal shows how to answer."""


def label(sku: str) -> str:
    """Print the label of one parcel."""
    return f"parcel-{sku}"


def ship(ctx: DurableContext, order: Order) -> list[str]:
    """Pack each item; a context of its own keeps the steps together in the history."""
    return [ctx.step(label, item.sku, name=f"label-{item.sku}") for item in order.items]


@durable
def handler(order: Order, ctx: DurableContext) -> Receipt:
    """Take an order from card to parcel."""
    ctx.step(reserve, order)
    payment = ctx.step(
        charge,
        order,
        retry=Retry(max_attempts=5, initial_delay=1, retry_on=(CardNetworkBusyError,)),
    )
    ctx.wait(timedelta(seconds=5), name="cooling-off")

    approval = ctx.create_callback(
        name="approval", timeout=timedelta(days=2), returns=Approval
    )
    ctx.step(ask_for_approval, order, approval.callback_id)
    decision = approval.result()
    if not decision.approved:
        raise PermissionError(f"{decision.by} did not approve")

    parcels = ctx.run_in_child_context(ship, order)
    return Receipt(
        order=order.id, payment=payment, approved_by=decision.by, parcels=parcels
    )
