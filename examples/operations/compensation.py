"""Sagas, as docs/operations/saga.md quotes them. Each handler is run by tests/examples/test_compensation.py."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import (
    CompensationError,
    DurableContext,
    Retry,
    StepError,
    current_step,
    durable,
)


def book_hotel(city: str) -> str:
    return f"hotel-in-{city}"


def cancel_hotel(booking: str) -> None:
    """Cancel a hotel."""


def book_flight(city: str) -> str:
    return f"flight-to-{city}"


def cancel_flight(booking: str) -> None:
    """Cancel a flight."""


def book_car(city: str) -> str:
    """Rent a car. There are none in Venice."""
    if city == "venice":
        raise LookupError(f"there are no cars in {city}")
    return f"car-in-{city}"


# --8<-- [start:saga]
@durable
def travel(city: str, ctx: DurableContext) -> list[str]:
    with ctx.saga():
        hotel = ctx.step_with_compensation(book_hotel, city, compensate=cancel_hotel)
        flight = ctx.step_with_compensation(book_flight, city, compensate=cancel_flight)
        car = ctx.step(book_car, city, retry=Retry.none())
        return [hotel, flight, car]


# --8<-- [end:saga]


# --8<-- [start:undo]
@durable
def fly(city: str, ctx: DurableContext) -> list[str]:
    with ctx.saga() as saga:
        seat = ctx.invoke("flights:live", {"city": city}, returns=str)
        saga.undo(cancel_flight, seat)
        car = ctx.step(book_car, city, retry=Retry.none())
        return [seat, car]


# --8<-- [end:undo]


def charge(amount: int) -> str:
    return f"payment-of-{amount}"


def ask_bank(payment: str) -> str:
    return f"return-of-{payment}"


def confirm(payment: str) -> None:
    """Check whether the money has arrived."""


# --8<-- [start:durable]
def refund(child: DurableContext, payment: str) -> None:
    returned = child.step(ask_bank, payment)
    child.wait(timedelta(days=2), name="until-the-bank-has-done-it")
    child.step(confirm, returned)


@durable
def sell(amount: int, ctx: DurableContext) -> str:
    with ctx.saga():
        payment = ctx.step_with_compensation(charge, amount, compensate=refund)
        ctx.step(hand_over, amount, retry=Retry.none())
        return payment


# --8<-- [end:durable]


def hand_over(amount: int) -> None:
    """Hand over the goods. Everything over 100 is out of stock."""
    if amount > 100:
        raise LookupError("out of stock")


def pay_back(payment: str, key: str | None) -> None:
    """Refund a payment, unless this key has been used before."""


# --8<-- [start:key]
def pay_back_once(payment: str) -> None:
    pay_back(payment, key=current_step().idempotency_key)


def undo_payment(child: DurableContext, payment: str) -> None:
    child.step(pay_back_once, payment)


@durable
def sell_once(amount: int, ctx: DurableContext) -> str:
    with ctx.saga():
        payment = ctx.step_with_compensation(charge, amount, compensate=undo_payment)
        ctx.step(hand_over, amount, retry=Retry.none())
        return payment


# --8<-- [end:key]


# --8<-- [start:by_hand]
@durable
def travel_if_possible(city: str, ctx: DurableContext) -> str:
    ctx.step_with_compensation(book_hotel, city, compensate=cancel_hotel)
    ctx.step_with_compensation(book_flight, city, compensate=cancel_flight)
    try:
        return ctx.step(book_car, city, retry=Retry.none())
    except StepError:
        result = ctx.run_compensations()
        names = [item.name or "" for item in result.items if item.status == "Succeeded"]
        return f"undone: {', '.join(names)}"


# --8<-- [end:by_hand]


def cancel_cheap_hotel(booking: str) -> None:
    """Try to cancel. Cheap hotels don't refund."""
    raise PermissionError(f"{booking} is not paid back")


# --8<-- [start:failure]
@durable
def travel_cheaply(city: str, ctx: DurableContext) -> str:
    try:
        with ctx.saga():
            ctx.step_with_compensation(book_hotel, city, compensate=cancel_cheap_hotel)
            ctx.step_with_compensation(book_flight, city, compensate=cancel_flight)
            return ctx.step(book_car, city, retry=Retry.none())
    except CompensationError as error:
        return f"call the help desk: {error}"


# --8<-- [end:failure]


# --8<-- [start:defer]
def lock(room: str) -> str:
    return f"key-of-{room}"


def unlock(key: str) -> None:
    """Unlock the room."""


def clean(room: str) -> str:
    return f"{room} is clean"


@durable
def clean_room(room: str, ctx: DurableContext) -> str:
    key = ctx.step(lock, room)
    ctx.defer(unlock, key)
    ctx.wait(timedelta(hours=1), name="until-the-paint-is-dry")
    return ctx.step(clean, room)


# --8<-- [end:defer]
