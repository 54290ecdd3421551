"""Maps, as docs/operations/map.md quotes them. Each handler is run by tests/examples/test_map.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from powertools_durable import Completion, DurableContext, Nesting, Retry, durable
from powertools_durable.completion import FanOutStatus


# --8<-- [start:map]
class Photo(BaseModel):
    id: str
    width: int


def shrink(photo: Photo) -> Photo:
    """Make a photo small enough for an album."""
    return Photo(id=photo.id, width=min(photo.width, 800))


def upload(photo: Photo) -> str:
    return f"album/{photo.id}.jpg"


def publish(child: DurableContext, photo: Photo) -> str:
    return child.step(upload, child.step(shrink, photo))


@durable
def album(photos: list[Photo], ctx: DurableContext) -> list[str]:
    batch = ctx.map(publish, photos, max_concurrency=10)
    batch.raise_if_failed()
    return batch.results


# --8<-- [end:map]


# --8<-- [start:tolerance]
class BrokenLinkError(Exception):
    """The link leads nowhere."""


def get(link: str) -> int:
    """Return the number of bytes at a link."""
    if link.endswith("/404"):
        raise BrokenLinkError(link)
    return 1000


def fetch(child: DurableContext, link: str) -> int:
    return child.step(get, link, retry=Retry.none())


@durable
def broken_links(links: list[str], ctx: DurableContext) -> list[str]:
    batch = ctx.map(
        fetch,
        links,
        completion=Completion.all_completed(),
        item_name=lambda link, _: link,
    )
    return [links[item.index] for item in batch.failed]


# --8<-- [end:tolerance]


def send(letter: str) -> str:
    return f"sent {letter}"


# --8<-- [start:groups]
def remind(child: DurableContext, item: tuple[int, str]) -> str:
    number, customer = item
    sent = child.step(send, f"letter {number} to {customer}")
    child.wait(timedelta(minutes=1), name="let-the-printer-cool")
    return sent


@durable
def remind_all(customers: list[str], ctx: DurableContext) -> list[str]:
    return ctx.map(remind, enumerate(customers, start=1), batch_size=2).results


# --8<-- [end:groups]


# --8<-- [start:flat]
def count_words(child: DurableContext, page: str) -> int:
    return child.step(lambda: len(page.split()), name="count")


@durable
def words(pages: list[str], ctx: DurableContext) -> int:
    return sum(ctx.map(count_words, pages, nesting=Nesting.FLAT).results)


# --8<-- [end:flat]


# --8<-- [start:rule]
def enough(status: FanOutStatus) -> Literal["succeeded", "failed"] | None:
    """Decide when two of three judges agree."""
    if status.succeeded >= 2:
        return "succeeded"
    return "failed" if status.failed >= 2 else None


def vote(child: DurableContext, judge: str) -> None:
    if not child.step(ask, judge):
        raise PermissionError(f"{judge} votes no")


@durable
def verdict(judges: list[str], ctx: DurableContext) -> str:
    batch = ctx.map(vote, judges, completion=Completion(when=enough), max_concurrency=1)
    return f"{batch.status} after {batch.total_count} votes"


# --8<-- [end:rule]


def ask(judge: str) -> bool:
    """Ask a judge. Those whose name starts with N say no."""
    return not judge.startswith("N")
