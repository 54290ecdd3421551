"""Operations in `async def` handlers, as tabs of docs/operations/ quote them. Run by tests/examples/test_async.py."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from examples.operations.callback import Decision
from examples.operations.child_context import Parcel, label
from examples.operations.compensation import (
    book_car,
    book_flight,
    book_hotel,
    cancel_flight,
    cancel_hotel,
)
from examples.operations.map import Photo, shrink
from examples.operations.parallel import Cart, Check, Offer, check_fraud, check_stock
from examples.operations.patches import greet, say_goodbye, send_gift
from examples.operations.step import Order, Payment
from examples.operations.wait import send
from examples.operations.wait_for_callback import Scan
from examples.operations.wait_for_condition import Stack, is_up
from examples.operations.with_retry import NEW_OFFER, book, get_offer
from powertools_durable import (
    AsyncDurableContext,
    CallbackTimeoutError,
    ChildContextError,
    Polling,
    Retry,
    durable,
)


# --8<-- [start:step]
async def charge(order: Order) -> Payment:
    """Charge the card. This function can await an async client."""
    return Payment(order_id=order.id, amount=order.total)


@durable
async def place_order(order: Order, ctx: AsyncDurableContext) -> Payment:
    return await ctx.step(charge, order)


# --8<-- [end:step]


# --8<-- [start:wait]
@durable
async def welcome(user: str, ctx: AsyncDurableContext) -> list[str]:
    first = await ctx.step(send, user, "welcome", name="send-welcome")
    await ctx.wait(timedelta(days=3), name="three-days")
    second = await ctx.step(send, user, "how-is-it-going", name="send-follow-up")
    return [first, second]


# --8<-- [end:wait]


# --8<-- [start:wait_until]
@durable
async def next_morning(user: str, ctx: AsyncDurableContext) -> str:
    tomorrow = ctx.started_at + timedelta(days=1)
    nine = tomorrow.replace(hour=9, minute=0, second=0, microsecond=0)
    await ctx.wait_until(nine, name="nine-o-clock")
    return await ctx.step(send, user, "good-morning")


# --8<-- [end:wait_until]


# --8<-- [start:loop]
@durable
async def remind(letters: list[str], ctx: AsyncDurableContext) -> int:
    for number, letter in enumerate(letters, start=1):
        await ctx.step(send, "ada", letter, name=f"reminder-{number}")
        await ctx.wait(timedelta(weeks=1), name=f"week-{number}")
    return len(letters)


# --8<-- [end:loop]


async def ask_for_approval(order_id: str, callback_id: str) -> None:
    """Send the callback id to the person who decides, by mail, chat or a queue."""


# --8<-- [start:callback]
@durable
async def approve(order_id: str, ctx: AsyncDurableContext) -> str:
    approval = await ctx.create_callback(name="approval", returns=Decision)
    await ctx.step(ask_for_approval, order_id, approval.callback_id)
    decision = await approval.result()
    return (
        f"{order_id} {'approved' if decision.approved else 'declined'} by {decision.by}"
    )


# --8<-- [end:callback]


# --8<-- [start:callback_timeout]
@durable
async def approve_in_time(order_id: str, ctx: AsyncDurableContext) -> str:
    approval = await ctx.create_callback(
        name="approval", timeout=timedelta(days=2), returns=Decision
    )
    await ctx.step(ask_for_approval, order_id, approval.callback_id)
    try:
        decision = await approval.result()
    except CallbackTimeoutError:
        return "nobody answered"
    return "approved" if decision.approved else "declined"


# --8<-- [end:callback_timeout]


# --8<-- [start:submit]
async def start_scan(callback_id: str, file: str) -> None:
    """Queue the file for a scanner, which answers the callback when it is done."""


@durable
async def receive(file: str, ctx: AsyncDurableContext) -> str:
    scan = await ctx.wait_for_callback(start_scan, file, name="scan", returns=Scan)
    return f"{file} is {'clean' if scan.clean else 'infected'}, says {scan.engine}"


# --8<-- [end:submit]


# --8<-- [start:poll]
async def check_stack(stack: Stack) -> Stack:
    """Ask for the status of a stack. This one is ready at the fourth check."""
    checks = stack.checks + 1
    return Stack(
        name=stack.name,
        checks=checks,
        status="CREATE_COMPLETE" if checks == 4 else "CREATE_IN_PROGRESS",
    )


@durable
async def create(name: str, ctx: AsyncDurableContext) -> str:
    stack = await ctx.wait_for_condition(
        check_stack, initial=Stack(name=name), polling=Polling(is_up, initial_delay=10)
    )
    return f"{stack.name} was up after {stack.checks} checks"


# --8<-- [end:poll]


# --8<-- [start:invoke]
@durable
async def pay(order: Order, ctx: AsyncDurableContext) -> Payment:
    return await ctx.invoke("payments:1", order, name="pay", returns=Payment)


# --8<-- [end:invoke]


async def pack(sku: str) -> str:
    return f"box-{sku}"


# --8<-- [start:child]
async def ship(child: AsyncDurableContext, sku: str) -> Parcel:
    box = await child.step(pack, sku)
    await child.wait(timedelta(minutes=10), name="until-the-glue-is-dry")
    return Parcel(sku=sku, label=await child.step(label, box))


@durable
async def ship_all(skus: list[str], ctx: AsyncDurableContext) -> list[Parcel]:
    return await asyncio.gather(
        *[ctx.run_in_child_context(ship, sku, name=f"ship-{sku}") for sku in skus]
    )


# --8<-- [end:child]


# --8<-- [start:retry]
async def book_a_seat(child: AsyncDurableContext, flight: str) -> str:
    offer = await child.step(get_offer, flight)
    await child.wait(timedelta(minutes=1), name="until-it-is-confirmed")
    return await child.step(book, offer, retry=Retry.none())


@durable
async def travel(flight: str, ctx: AsyncDurableContext) -> str:
    return await ctx.with_retry(book_a_seat, flight, retry=NEW_OFFER)


# --8<-- [end:retry]


# --8<-- [start:retry_failure]
@durable
async def travel_somehow(flight: str, ctx: AsyncDurableContext) -> str:
    try:
        return await ctx.with_retry(book_a_seat, flight, retry=NEW_OFFER)
    except ChildContextError as error:
        return f"by train, because {error.message}"


# --8<-- [end:retry_failure]


# --8<-- [start:parallel]
async def stock(child: AsyncDurableContext, order: Cart) -> Check:
    return await child.step(check_stock, order)


async def fraud(child: AsyncDurableContext, order: Cart) -> Check:
    await child.wait(timedelta(minutes=5), name="until-the-card-network-has-it")
    return await child.step(check_fraud, order)


@durable
async def accept(order: Cart, ctx: AsyncDurableContext) -> bool:
    batch = await ctx.parallel(
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


async def ask_carrier(callback_id: str, carrier: str) -> None:
    """Send a carrier a link to make an offer."""


# --8<-- [start:race]
@durable
async def first_offer(carriers: list[str], ctx: AsyncDurableContext) -> str:
    offers = {
        carrier: ctx.wait_for_callback(
            ask_carrier, carrier, name=f"offer-{carrier}", returns=Offer
        )
        for carrier in carriers
    }
    carrier, offer = await ctx.race(offers, name="first-offer")
    return f"{carrier} for {offer.price}"


# --8<-- [end:race]


async def upload(photo: Photo) -> str:
    return f"album/{photo.id}.jpg"


# --8<-- [start:map]
async def publish(child: AsyncDurableContext, photo: Photo) -> str:
    return await child.step(upload, await child.step(shrink, photo))


@durable
async def album(photos: list[Photo], ctx: AsyncDurableContext) -> list[str]:
    batch = await ctx.map(publish, photos, max_concurrency=10)
    batch.raise_if_failed()
    return batch.results


# --8<-- [end:map]


# --8<-- [start:saga]
@durable
async def travel_by_car(city: str, ctx: AsyncDurableContext) -> list[str]:
    async with ctx.saga():
        hotel = await ctx.step_with_compensation(
            book_hotel, city, compensate=cancel_hotel
        )
        flight = await ctx.step_with_compensation(
            book_flight, city, compensate=cancel_flight
        )
        car = await ctx.step(book_car, city, retry=Retry.none())
        return [hotel, flight, car]


# --8<-- [end:saga]


async def parse(line: str) -> int:
    return int(line)


# --8<-- [start:batch]
@durable
async def total(lines: list[str], ctx: AsyncDurableContext) -> int:
    async with ctx.batch():
        numbers = [
            await ctx.step(parse, line, name=f"line-{number}")
            for number, line in enumerate(lines, start=1)
        ]
    return sum(numbers)


# --8<-- [end:batch]


# --8<-- [start:batch_by_hand]
@durable
async def total_in_pieces(lines: list[str], ctx: AsyncDurableContext) -> int:
    ctx.enable_batch_mode()
    numbers = []
    for number, line in enumerate(lines, start=1):
        numbers.append(await ctx.step(parse, line, name=f"line-{number}"))
        if ctx.pending_update_count >= 20:
            await ctx.flush_batch()
    await ctx.wait(timedelta(hours=1))
    return sum(numbers)


# --8<-- [end:batch_by_hand]


# --8<-- [start:patched]
@durable
async def welcome_with_gift(user: str, ctx: AsyncDurableContext) -> list[str]:
    said = [await ctx.step(greet, user)]
    if ctx.patched("a-gift"):  # no await: it sends nothing
        said.append(await ctx.step(send_gift, user))
    await ctx.wait(timedelta(days=3), name="three-days")
    return [*said, await ctx.step(say_goodbye, user)]


# --8<-- [end:patched]
