"""Operations retried as one, as docs/operations/with-retry.md quotes them. Run by tests/examples/test_with_retry.py."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import (
    ChildContextError,
    DurableContext,
    OperationError,
    Retry,
    durable,
)


# --8<-- [start:retry]
class Offer(BaseModel):
    id: str
    price: int


class ExpiredError(Exception):
    """The offer is no longer valid."""


class SoldOutError(Exception):
    """There are no seats left, so another offer doesn't help."""


def get_offer(flight: str) -> Offer:
    return Offer(id=f"offer-for-{flight}", price=120)


def book(offer: Offer) -> str:
    return f"booked {offer.id} for {offer.price}"


def book_too_late(offer: Offer) -> str:
    """Fail because the offer has expired: for tests, in place of `book`."""
    raise ExpiredError(f"{offer.id} is no longer valid")


def book_a_seat(child: DurableContext, flight: str) -> str:
    offer = child.step(get_offer, flight)
    child.wait(timedelta(minutes=1), name="until-it-is-confirmed")
    return child.step(book, offer, retry=Retry.none())


def has_expired(error: Exception) -> bool:
    return isinstance(error, OperationError) and (error.error_type or "").endswith(
        "ExpiredError"
    )


NEW_OFFER = Retry(max_attempts=3, initial_delay=10, retry_if=has_expired)


@durable
def travel(flight: str, ctx: DurableContext) -> str:
    return ctx.with_retry(book_a_seat, flight, retry=NEW_OFFER)


# --8<-- [end:retry]


# --8<-- [start:failure]
@durable
def travel_somehow(flight: str, ctx: DurableContext) -> str:
    try:
        return ctx.with_retry(book_a_seat, flight, retry=NEW_OFFER)
    except ChildContextError as error:
        return f"by train, because {error.message}"


# --8<-- [end:failure]
