"""Steps take items from an iterator. A step that does not run again takes none, so later steps get the wrong items."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"pages": ["one", "two", "three"]}
DOCTOR = "step-write"
SAYS = "its result is"


@durable
def handler(event, ctx):
    pages = iter(event["pages"])
    return [ctx.step(lambda: next(pages), name=f"page-{number}") for number in (1, 2, 3)]
