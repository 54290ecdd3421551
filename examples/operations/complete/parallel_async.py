"""A parallel with every option, in an ``async def`` handler."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel

from powertools_durable import (
    AsyncDurableContext,
    BatchResult,
    Completion,
    Nesting,
    Retry,
    durable,
)


class Offer(BaseModel):
    carrier: str
    price: int


async def ask(carrier: str, city: str) -> Offer:
    """Call the carrier's API; the snail doesn't answer."""
    if carrier == "snail":
        raise ConnectionError("no answer")
    return Offer(carrier=carrier, price=len(carrier) + len(city))


async def get_offer(child: AsyncDurableContext, carrier: str, city: str) -> Offer:
    return await child.step(ask, carrier, city, retry=Retry.none())


def summarize(batch: BatchResult[Offer]) -> str:
    return f"{batch.success_count} offers"


@durable
async def quote(city: str, ctx: AsyncDurableContext) -> str:
    carriers = ["hermes", "snail", "otto"]
    batch = await ctx.parallel(
        {
            carrier: partial(get_offer, carrier=carrier, city=city)
            for carrier in carriers
        },
        name="offers",
        max_concurrency=2,
        completion=Completion(tolerated_failure_count=1),
        nesting=Nesting.NESTED,
        returns=Offer,
        summary=summarize,
    )
    cheapest = min(batch.results, key=lambda offer: offer.price)
    silent = [item.name for item in batch.failed]
    return f"{cheapest.carrier} for {cheapest.price}; no answer: {silent}"
