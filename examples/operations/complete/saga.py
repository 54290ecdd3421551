"""A saga with every kind of compensation."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import (
    CompensationError,
    DurableContext,
    Retry,
    current_step,
    durable,
)


def book_hotel(city: str) -> str:
    return f"hotel-in-{city}"


def cancel_hotel(booking: str) -> None:
    """Cancel a hotel: harmless when it runs twice."""


def pay(city: str) -> str:
    return f"payment-for-{city}"


def send_refund(payment: str) -> str:
    """Refund a payment; the bank recognises the key and pays only once."""
    return f"refund-of-{payment}-{current_step().idempotency_key}"


def refund(child: DurableContext, payment: str) -> None:
    child.step(send_refund, payment)
    child.wait(timedelta(days=2), name="until-the-bank-is-done")


def assign_seat(city: str) -> str:
    return f"seat-to-{city}"


def reserve_seat(child: DurableContext, city: str) -> str:
    child.wait(timedelta(hours=1), name="until-check-in-opens")
    return child.step(assign_seat, city)


def give_back_seat(seat: str) -> None:
    """Release a seat."""


def book_car(city: str) -> str:
    """Rent a car; there are none in Venice."""
    if city == "venice":
        raise LookupError(f"there are no cars in {city}")
    return f"car-in-{city}"


def close_ticket(city: str) -> None:
    """Close the ticket, however the trip ended."""


@durable
def travel(city: str, ctx: DurableContext) -> str:
    ctx.defer(close_ticket, city)
    try:
        with ctx.saga() as saga:
            ctx.step_with_compensation(
                book_hotel, city, compensate=cancel_hotel, name="hotel"
            )
            ctx.step_with_compensation(
                pay, city, compensate=refund, retry=Retry.transient()
            )
            seat = ctx.run_in_child_context(reserve_seat, city)
            saga.undo(give_back_seat, seat)
            return ctx.step(book_car, city, retry=Retry.none())
    except CompensationError as error:
        return f"call the help desk: {error.message}"
