"""A child context with every option, in an ``async def`` handler."""

from __future__ import annotations

from powertools_durable import AsyncDurableContext, ChildContextError, durable


async def read_page(number: int) -> list[str]:
    """Read one page of a catalogue, about 100 KiB."""
    return [f"item-{number}-{line:05}" for line in range(6_000)]


async def read_catalogue(child: AsyncDurableContext, pages: int) -> list[str]:
    return [
        item
        for page in range(pages)
        for item in await child.step(read_page, page, name=f"page-{page}")
    ]


def count_items(items: list[str]) -> str:
    return f"{len(items)} items"


@durable
async def count(pages: int, ctx: AsyncDurableContext) -> int:
    try:
        items = await ctx.run_in_child_context(
            read_catalogue,
            pages,
            name="catalogue",
            returns=list[str],
            sub_type="Import",
            summary=count_items,
        )
    except ChildContextError as error:
        raise RuntimeError(f"the catalogue can't be read: {error.message}") from error
    return len(items)
