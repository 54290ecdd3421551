"""Child contexts, as docs/operations/child-context.md quotes them. Run by tests/examples/test_child_context.py."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import ChildContextError, DurableContext, Retry, durable


# --8<-- [start:child]
class Parcel(BaseModel):
    sku: str
    label: str


def pack(sku: str) -> str:
    """Pack the item and return the number of its box."""
    return f"box-{sku}"


def label(box: str) -> str:
    """Print the label of a box."""
    return f"label-{box}"


def ship(child: DurableContext, sku: str) -> Parcel:
    box = child.step(pack, sku)
    child.wait(timedelta(minutes=10), name="until-the-glue-is-dry")
    return Parcel(sku=sku, label=child.step(label, box))


@durable
def ship_all(skus: list[str], ctx: DurableContext) -> list[Parcel]:
    return [ctx.run_in_child_context(ship, sku, name=f"ship-{sku}") for sku in skus]


# --8<-- [end:child]


# --8<-- [start:failure]
class FullError(Exception):
    """There is no more room."""


def load(truck: str, pallets: int) -> str:
    """Load pallets. A truck takes ten."""
    if pallets > 10:
        raise FullError(f"{truck} takes ten pallets")
    return f"{pallets} on {truck}"


def dispatch(child: DurableContext, pallets: int) -> str:
    return child.step(load, "the-small-truck", pallets, retry=Retry.none())


@durable
def dispatch_somehow(pallets: int, ctx: DurableContext) -> str:
    try:
        return ctx.run_in_child_context(dispatch, pallets)
    except ChildContextError as error:
        return f"{error.operation} failed: {error.message}"


# --8<-- [end:failure]


# --8<-- [start:large]
def read_page(number: int) -> list[str]:
    """Read one page of a catalogue, about 100 KiB."""
    return [f"item-{number}-{line:05}" for line in range(6_000)]


def read_catalogue(child: DurableContext, pages: int) -> list[str]:
    return [
        item
        for number in range(pages)
        for item in child.step(read_page, number, name=f"page-{number}")
    ]


def tell_size(items: list[str]) -> str:
    return f"{len(items)} items"


@durable
def count(pages: int, ctx: DurableContext) -> int:
    items = ctx.run_in_child_context(read_catalogue, pages, summary=tell_size)
    ctx.wait(timedelta(hours=1))
    return len(items)


# --8<-- [end:large]
