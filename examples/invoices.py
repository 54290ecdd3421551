"""Pay a batch of invoices: check all at once, ask for approval if it is much, pay all at once. Fan-out plus approval.

Run it here, and answer from a second terminal::

    powertools-durable run examples/invoices.py:handler --event @examples/invoices.json
    powertools-durable callback approval succeed '{"approved": true, "by": "ada"}'

`async_handler` is the same as ``async def``.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aws_lambda_powertools import Logger
from pydantic import BaseModel

from powertools_durable import (
    AsyncDurableContext,
    DurableContext,
    current_step,
    durable,
)

logger = Logger(service="invoices")
LIMIT = 1000  # dollars that need no approval


class Invoice(BaseModel):
    id: str
    amount: int


class Batch(BaseModel):
    invoices: list[Invoice]


class Decision(BaseModel):
    approved: bool
    by: str


def check(invoice: Invoice) -> int:
    """Ask the supplier's API what is open; here, it is what the invoice says."""
    return invoice.amount


def pay(invoice: Invoice) -> str:
    """Pay, with a key by which the bank recognizes a repetition."""
    logger.info("paying", key=current_step().idempotency_key)
    return f"payment-{invoice.id}"


def ask(callback_id: str, total: int) -> None:
    """Send a link with the callback ID to somebody who decides."""
    logger.info("asking for approval", total=total)


# --8<-- [start:handler]
def check_one(child: DurableContext, invoice: Invoice) -> int:
    return child.step(check, invoice)


def pay_one(child: DurableContext, invoice: Invoice) -> str:
    return child.step(pay, invoice)


@durable
def handler(batch: Batch, ctx: DurableContext) -> list[str]:
    total = sum(ctx.map(check_one, batch.invoices, max_concurrency=5).results)
    if total > LIMIT:
        decision = ctx.wait_for_callback(
            ask, total, name="approval", timeout=timedelta(days=2), returns=Decision
        )
        if not decision.approved:
            return []
    return ctx.map(pay_one, batch.invoices, max_concurrency=5).results


# --8<-- [end:handler]


# --8<-- [start:async_handler]
async def pay_one_async(child: AsyncDurableContext, invoice: Invoice) -> str:
    return await child.step(pay, invoice)


@durable
async def async_handler(batch: Batch, ctx: AsyncDurableContext) -> list[str]:
    amounts = await asyncio.gather(
        *[ctx.step(check, invoice) for invoice in batch.invoices]
    )
    total = sum(amounts)
    if total > LIMIT:
        decision = await ctx.wait_for_callback(
            ask, total, name="approval", timeout=timedelta(days=2), returns=Decision
        )
        if not decision.approved:
            return []
    paid = await ctx.map(pay_one_async, batch.invoices, max_concurrency=5)
    return paid.results


# --8<-- [end:async_handler]
