"""An order that is undone when it can't be done: all of it, or only the part that failed.

Run it here::

    powertools-durable run examples/saga.py:handler --event @examples/saga.json --skip-time

Nobody insures the parcel of this event, so the express delivery is undone and the order goes by post. With
``"sku": "piano"`` the post refuses too, and the whole order is undone, the last step first.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import DurableContext, Retry, StepError, durable


class Order(BaseModel):
    id: str
    sku: str
    price: Decimal
    insure_for: Decimal = Decimal(0)


class Payment(BaseModel):
    id: str
    amount: Decimal


class Receipt(BaseModel):
    order: str
    payment: Payment
    delivery: str


class RefusedError(Exception):
    """Somebody will not do it, however often we ask."""


ASK_ONCE = Retry.none()


def reserve(order: Order) -> str:
    """Set the goods aside, and return the number of the shelf."""
    return f"shelf-of-{order.sku}"


def release(shelf: str) -> None:
    """Put the goods back."""


def charge(order: Order) -> Payment:
    """Charge the card."""
    return Payment(id=f"pay-{order.id}", amount=order.price)


def refund(child: DurableContext, payment: Payment) -> None:
    """Pay back, and tell the customer: two parameters, so this one has a context for steps of its own."""
    child.step(pay_back, payment)
    child.step(tell_customer, f"{payment.amount} come back to you")


def pay_back(payment: Payment) -> str:
    return f"refund-of-{payment.id}"


def tell_customer(words: str) -> None:
    """Send a mail."""


def book_courier(order: Order) -> str:
    return f"courier-of-{order.id}"


def cancel_courier(courier: str) -> None:
    """Send the courier home."""


def insure(order: Order) -> str:
    """Insure the parcel; not for more than 500."""
    if order.insure_for > 500:
        raise RefusedError(f"nobody insures {order.insure_for}")
    return f"policy-of-{order.id}"


def book_post(order: Order) -> str:
    """Book a parcel; pianos are too heavy."""
    if order.sku == "piano":
        raise RefusedError("the post carries no pianos")
    return f"parcel-of-{order.id}"


def deliver(order: Order, ctx: DurableContext) -> str:
    """Book an insured courier; when that can't be had, undo what was booked for it and take the post."""
    try:
        with ctx.saga():
            courier = ctx.step_with_compensation(
                book_courier, order, compensate=cancel_courier
            )
            ctx.step(insure, order, retry=ASK_ONCE)
            return courier
    except StepError:
        return ctx.step(book_post, order, retry=ASK_ONCE)


@durable
def handler(order: Order, ctx: DurableContext) -> Receipt:
    """Take an order, or leave nothing of it behind."""
    with ctx.saga():
        ctx.step_with_compensation(reserve, order, compensate=release)
        payment = ctx.step_with_compensation(charge, order, compensate=refund)
        return Receipt(order=order.id, payment=payment, delivery=deliver(order, ctx))
