"""A step with every option, in an ``async def`` handler."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel

from powertools_durable import (
    AsyncDurableContext,
    Retry,
    StepError,
    StepSemantics,
    durable,
)


class Label(BaseModel):
    tracking_number: str


class CarrierBusyError(Exception):
    """The carrier asks you to try again later."""


async def print_label(order_id: str, *, express: bool) -> Label:
    """Call the carrier's API."""
    service = "express" if express else "standard"
    return Label(tracking_number=f"{service}-{order_id}")


@durable
async def ship(order_id: str, ctx: AsyncDurableContext) -> str:
    try:
        label = await ctx.step(
            partial(print_label, express=True),
            order_id,
            name="print-label",
            retry=Retry(max_attempts=4, initial_delay=2, retry_on=(CarrierBusyError,)),
            semantics=StepSemantics.AT_MOST_ONCE,
            timeout=30,
            returns=Label,
            sub_type="Shipping",
        )
    except StepError as error:
        return f"no label: {error.error_type}"
    return label.tracking_number
