"""An order as a durable function: charge, wait for an approval, ship.

Beside this folder is what deploys it: AWS SAM, AWS CDK, Terraform, the AWS CLI.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from aws_lambda_powertools import Logger, Tracer
from pydantic import BaseModel, Field

from powertools_durable import DurableContext, Retry, current_step, durable

logger = Logger(service="orders")
tracer = Tracer(service="orders")


class Order(BaseModel):
    id: str
    email: str
    total: Decimal = Field(gt=0)


class Payment(BaseModel):
    id: str
    amount: Decimal


class Approval(BaseModel):
    approved: bool
    by: str


class Receipt(BaseModel):
    order: str
    payment: str
    approved_by: str
    parcel: str


class CardNetworkBusyError(Exception):
    """The card network asks to come back later."""


def charge(order: Order) -> Payment:
    """Charge the card. The key makes the card network ignore a second attempt."""
    key = current_step().idempotency_key
    logger.info("card charged", extra={"order": order.id})
    return Payment(id=f"pay-{key[:8]}", amount=order.total)


def request_approval(callback_id: str, order: Order) -> None:
    """Send the callback id to the person who decides: by email, chat, or a ticket."""
    logger.info("approval requested", extra={"order": order.id})


def ship(order: Order) -> str:
    """Hand the parcel over and return its number."""
    return f"parcel-{order.id}"


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@durable(tracer=tracer)
def handler(order: Order, ctx: DurableContext) -> Receipt:
    """Take an order from card to parcel."""
    payment = ctx.step(
        charge, order, retry=Retry(max_attempts=5, retry_on=(CardNetworkBusyError,))
    )

    approval = ctx.wait_for_callback(
        request_approval,
        order,
        name="approval",
        timeout=timedelta(days=2),
        returns=Approval,
    )
    if not approval.approved:
        raise PermissionError(f"{approval.by} did not approve the order")

    ctx.wait(timedelta(seconds=5), name="cooling-off")
    parcel = ctx.step(ship, order)
    return Receipt(
        order=order.id, payment=payment.id, approved_by=approval.by, parcel=parcel
    )
