"""A map with every option, in an ``async def`` handler."""

from __future__ import annotations

from powertools_durable import (
    AsyncDurableContext,
    BatchResult,
    Completion,
    Nesting,
    Retry,
    durable,
)


class BrokenLinkError(Exception):
    """The link leads nowhere."""


async def get(link: str) -> int:
    """Return the number of bytes at a link."""
    if link.endswith("/404"):
        raise BrokenLinkError(link)
    return 1000


async def fetch(child: AsyncDurableContext, link: str) -> int:
    return await child.step(get, link, retry=Retry.none())


def name_of(link: str, index: int) -> str:
    return f"{index}-{link}"


def summarize(batch: BatchResult[int]) -> str:
    return f"{batch.failure_count} broken links"


@durable
async def check(links: list[str], ctx: AsyncDurableContext) -> list[str]:
    batch = await ctx.map(
        fetch,
        links,
        name="links",
        max_concurrency=10,
        batch_size=100,
        completion=Completion(tolerated_failure_percentage=50),
        nesting=Nesting.NESTED,
        item_name=name_of,
        returns=int,
        summary=summarize,
    )
    if batch.completion_reason == "FAILURE_TOLERANCE_EXCEEDED":
        batch.raise_if_failed()
    return [links[item.index] for item in batch.failed]
