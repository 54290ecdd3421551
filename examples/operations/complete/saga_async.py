"""A saga with every kind of compensation, in an ``async def`` handler."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import (
    AsyncDurableContext,
    CompensationError,
    Retry,
    current_step,
    durable,
)


async def book_hotel(city: str) -> str:
    return f"hotel-in-{city}"


async def cancel_hotel(booking: str) -> None:
    """Cancel a hotel: harmless when it runs twice."""


async def pay(city: str) -> str:
    return f"payment-for-{city}"


async def send_refund(payment: str) -> str:
    """Refund a payment; the bank recognises the key and pays only once."""
    return f"refund-of-{payment}-{current_step().idempotency_key}"


async def refund(child: AsyncDurableContext, payment: str) -> None:
    await child.step(send_refund, payment)
    await child.wait(timedelta(days=2), name="until-the-bank-is-done")


async def assign_seat(city: str) -> str:
    return f"seat-to-{city}"


async def reserve_seat(child: AsyncDurableContext, city: str) -> str:
    await child.wait(timedelta(hours=1), name="until-check-in-opens")
    return await child.step(assign_seat, city)


async def give_back_seat(seat: str) -> None:
    """Release a seat."""


async def book_car(city: str) -> str:
    """Rent a car; there are none in Venice."""
    if city == "venice":
        raise LookupError(f"there are no cars in {city}")
    return f"car-in-{city}"


async def close_ticket(city: str) -> None:
    """Close the ticket, however the trip ended."""


@durable
async def travel(city: str, ctx: AsyncDurableContext) -> str:
    ctx.defer(close_ticket, city)
    try:
        async with ctx.saga() as saga:
            await ctx.step_with_compensation(
                book_hotel, city, compensate=cancel_hotel, name="hotel"
            )
            await ctx.step_with_compensation(
                pay, city, compensate=refund, retry=Retry.transient()
            )
            seat = await ctx.run_in_child_context(reserve_seat, city)
            saga.undo(give_back_seat, seat)
            return await ctx.step(book_car, city, retry=Retry.none())
    except CompensationError as error:
        return f"call the help desk: {error.message}"
