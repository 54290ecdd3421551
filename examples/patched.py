"""A deploy while orders are on their way: they end as they began, new ones take the new way.

Start an order with the old code, which stops until it is packed; ask whether the new code can go on with it, and do::

    powertools-durable run examples/patched.py:version_1 --event @examples/patched.json --name order-42 --no-wait
    powertools-durable export order-42 > order-42.json
    powertools-durable replay examples/patched.py:version_2 order-42.json
    powertools-durable callback packed succeed '"12 kg"'
    powertools-durable resume order-42 --target examples/patched.py:version_2

It goes by road, as it was promised. An order that is started with ``version_2`` goes by air. Leave out the ``if`` of
``version_2``, and ``replay`` names its line.
"""

from __future__ import annotations

from pydantic import BaseModel

from powertools_durable import DurableContext, durable


class Order(BaseModel):
    id: str


def charge(order: Order) -> str:
    return f"pay-{order.id}"


def book_flight(order: Order) -> str:
    return f"flight-of-{order.id}"


def ask_warehouse(callback_id: str, order: Order) -> None:
    """Print a packing list with the callback id on it."""


def ship(order: Order, weight: str, way: str) -> str:
    return f"{order.id}, {weight}, goes by {way}"


@durable
def version_1(order: Order, ctx: DurableContext) -> str:
    """Ship by road. This is what was deployed."""
    ctx.step(charge, order)
    weight = ctx.wait_for_callback(ask_warehouse, order, name="packed", returns=str)
    return ctx.step(ship, order, weight, "road")


@durable
def version_2(order: Order, ctx: DurableContext) -> str:
    """Ship by air, which needs a flight before the goods are packed. This is deployed now, under the same name."""
    ctx.step(charge, order)
    way = "road"
    if ctx.patched("ship-by-air"):
        way = ctx.step(book_flight, order)
    weight = ctx.wait_for_callback(ask_warehouse, order, name="packed", returns=str)
    return ctx.step(ship, order, weight, way)
