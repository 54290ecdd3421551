"""A field of the input is a set, and a step is called for each of its items."""

from __future__ import annotations

from pydantic import BaseModel

from powertools_durable import durable

EVENT = {"tags": ["a", "b"]}
DOCTOR = "set-order"
SAYS = "depends on the order of a set"


class Article(BaseModel):
    tags: set[str]


@durable
def handler(event: Article, ctx):
    for tag in event.tags:
        ctx.step(str.upper, tag, name=tag)
    return len(event.tags)
