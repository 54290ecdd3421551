"""Branches side by side, as docs/operations/parallel.md quotes them. Run by tests/examples/test_parallel.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import Completion, DurableContext, Retry, durable


# --8<-- [start:parallel]
class Cart(BaseModel):
    id: str
    sku: str


class Check(BaseModel):
    passed: bool
    reason: str


def check_stock(order: Cart) -> Check:
    return Check(passed=order.sku != "unicorn", reason=f"{order.sku} in stock")


def check_fraud(order: Cart) -> Check:
    return Check(passed=True, reason=f"{order.id} has no known fraud")


def stock(child: DurableContext, order: Cart) -> Check:
    return child.step(check_stock, order)


def fraud(child: DurableContext, order: Cart) -> Check:
    child.wait(timedelta(minutes=5), name="until-the-card-network-has-it")
    return child.step(check_fraud, order)


@durable
def accept(order: Cart, ctx: DurableContext) -> bool:
    batch = ctx.parallel(
        {
            "stock": lambda child: stock(child, order),
            "fraud": lambda child: fraud(child, order),
        },
        name="checks",
        returns=Check,
    )
    batch.raise_if_failed()
    return all(check.passed for check in batch.results)


# --8<-- [end:parallel]


# --8<-- [start:race]
class Offer(BaseModel):
    price: int


def ask_carrier(callback_id: str, carrier: str) -> None:
    """Send a carrier a link to make an offer."""


def offer_of(carrier: str) -> Callable[[DurableContext], Offer]:
    def wait_for_offer(child: DurableContext) -> Offer:
        return child.wait_for_callback(
            ask_carrier, carrier, name=f"offer-{carrier}", returns=Offer
        )

    return wait_for_offer


@durable
def first_offer(carriers: list[str], ctx: DurableContext) -> str:
    branches = {carrier: offer_of(carrier) for carrier in carriers}
    batch = ctx.parallel(branches, completion=Completion.first_successful())
    if not batch.succeeded:
        batch.raise_if_failed()
    winner = batch.succeeded[0]
    return f"{winner.name} for {batch.results[0].price}"


# --8<-- [end:race]


# --8<-- [start:failure]
def notify(channel: str) -> str:
    if channel == "pager":
        raise ConnectionError("the pager is off")
    return f"notified by {channel}"


def notify_by(channel: str) -> Callable[[DurableContext], str]:
    return lambda child: child.step(notify, channel, retry=Retry.none())


@durable
def alarm(channels: list[str], ctx: DurableContext) -> list[str]:
    batch = ctx.parallel(
        [notify_by(channel) for channel in channels],
        completion=Completion.all_completed(),
    )
    return batch.results + [str(error) for error in batch.errors]


# --8<-- [end:failure]
