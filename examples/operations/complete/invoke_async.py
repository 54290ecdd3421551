"""An invoke with every option, in an ``async def`` handler."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import AsyncDurableContext, InvokeError, durable


class Order(BaseModel):
    id: str
    tenant: str
    total: Decimal


class Payment(BaseModel):
    order_id: str
    amount: Decimal


@durable
async def checkout(order: Order, ctx: AsyncDurableContext) -> str:
    try:
        payment = await ctx.invoke(
            "payments:live", order, name="pay", tenant_id=order.tenant, returns=Payment
        )
    except InvokeError as error:
        return f"not paid: {error.error_type}: {error.message}"
    return f"paid {payment.amount}"
