"""An invoke with every option."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import DurableContext, InvokeError, durable


class Order(BaseModel):
    id: str
    tenant: str
    total: Decimal


class Payment(BaseModel):
    order_id: str
    amount: Decimal


@durable
def checkout(order: Order, ctx: DurableContext) -> str:
    try:
        payment = ctx.invoke(
            "payments:live", order, name="pay", tenant_id=order.tenant, returns=Payment
        )
    except InvokeError as error:
        return f"not paid: {error.error_type}: {error.message}"
    return f"paid {payment.amount}"
