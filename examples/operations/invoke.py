"""Calls of other functions, as docs/operations/invoke.md quotes them. Run by tests/examples/test_invoke.py."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import DurableContext, InvokeError, durable


# --8<-- [start:invoke]
class Order(BaseModel):
    id: str
    total: Decimal


class Payment(BaseModel):
    order_id: str
    amount: Decimal


@durable
def place_order(order: Order, ctx: DurableContext) -> Payment:
    return ctx.invoke("payments:1", order, name="pay", returns=Payment)


# --8<-- [end:invoke]


# --8<-- [start:target]
def charge(order: Order) -> Payment:
    return Payment(order_id=order.id, amount=order.total)


@durable
def payments(order: Order, ctx: DurableContext) -> Payment:
    ctx.wait(timedelta(hours=1), name="until-the-bank-opens")
    return ctx.step(charge, order)


# --8<-- [end:target]


# --8<-- [start:failure]
@durable
def place_order_somehow(order: Order, ctx: DurableContext) -> str:
    try:
        payment = ctx.invoke("payments:1", order, name="pay", returns=Payment)
    except InvokeError as error:
        return f"pay at the desk: {error.error_type}, {error.message}"
    return f"paid {payment.amount}"


# --8<-- [end:failure]
