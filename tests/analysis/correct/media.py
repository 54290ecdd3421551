"""Handlers that fan out, keep state in local variables, and use classes of their own; all of them are right."""

from __future__ import annotations

import json
import logging
import random
import re
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import reduce
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid5

from powertools_durable import BatchItem, Completion, DurableContext, Nesting, Polling, Retry, durable

logger = logging.getLogger("media")
TEMPLATE = Path(__file__).with_name("orders.py")
NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
HANDLERS = {"image": lambda item: f"image {item}", "video": lambda item: f"video {item}"}


class Kind(Enum):
    IMAGE = "image"
    VIDEO = "video"


@dataclass
class Media:
    id: str
    kind: Kind = Kind.IMAGE
    sizes: list[int] = field(default_factory=list)

    @property
    def largest(self):
        return max(self.sizes, default=0)

    def resized(self, size):
        return replace(self, sizes=[*self.sizes, size])


class Catalog:
    """Collects results outside of steps."""

    def __init__(self):
        self.by_kind = defaultdict(list)

    def add(self, kind, name):
        self.by_kind[kind].append(name)

    def __repr__(self):
        return f"Catalog({dict(self.by_kind)})"


def shrink(item):
    noise = random.random()
    return f"{item}-{noise:.3f}"


def upload(path):
    with Path("/tmp/upload").open("a") as file:
        file.write(path)
    return path


def process(child: DurableContext, item: str) -> str:
    small = child.step(shrink, item)
    return child.step(upload, small)


@durable
def album(items: list[str], ctx: DurableContext) -> list[str]:
    return ctx.map(process, items, max_concurrency=5, nesting=Nesting.FLAT).results


@durable
def by_kind(items: list[dict], ctx: DurableContext) -> dict[str, int]:
    catalog = Catalog()
    for number, item in enumerate(items):
        name = ctx.step(HANDLERS[item["kind"]], item["id"], name=f"{item['kind']}-{number}")
        catalog.add(item["kind"], name)
    logger.info("collected %s", catalog)
    return {kind: len(names) for kind, names in catalog.by_kind.items()}


@durable
def counts(items: list[str], ctx: DurableContext) -> int:
    words = Counter()
    for number, item in enumerate(items):
        words.update(ctx.step(str.split, item, name=f"split-{number}"))
    return words.total()


@durable
def chunks(items: list[str], ctx: DurableContext) -> list[int]:
    iterator = iter(items)
    sizes = []
    while chunk := list(islice(iterator, 10)):
        sizes.append(ctx.step(len, chunk, name=f"chunk-{len(sizes)}"))
    return sizes


@durable
def template(event: dict, ctx: DurableContext) -> str:
    text = TEMPLATE.name
    schema = (Path(__file__).parent / "schema.json").name
    return ctx.step(str.format, text, name=f"render-{schema}")


@durable
def stable_ids(items: list[str], ctx: DurableContext) -> list[str]:
    ids = [str(uuid5(NAMESPACE, item)) for item in items]
    return [ctx.step(upload, identifier, name=identifier) for identifier in ids]


@durable
def seeded(event: dict, ctx: DurableContext) -> list[int]:
    order = random.Random(event["seed"])
    lots = [order.randint(1, 6) for _ in range(3)]
    return [ctx.step(abs, lot, name=f"lot-{lot}") for lot in lots]


@durable
def deduplicates(items: list[str], ctx: DurableContext) -> list[str]:
    seen = set()
    unique = []
    for item in items:
        if item not in seen:
            seen.add(item)
            unique.append(ctx.step(shrink, item, name=f"shrink-{item}"))
    return unique


@durable
def dates_of_the_input(event: dict, ctx: DurableContext) -> str:
    due = datetime.fromisoformat(event["due"])
    reminder = due - timedelta(days=1)
    if due.weekday() < 5:
        ctx.wait_until(reminder, name=f"remind-{reminder:%Y-%m-%d}")
    return ctx.step(upload, due.isoformat())


@durable
def matches(event: dict, ctx: DurableContext) -> str:
    match event:
        case {"kind": "image", "id": str(name)}:
            return ctx.step(shrink, name)
        case {"kind": "video", "id": name, **rest}:
            ctx.step(upload, json.dumps(rest, sort_keys=True), name="meta")
            return ctx.step(upload, name)
        case _:
            raise ValueError(f"unknown: {event}")


@durable
def methods(event: dict, ctx: DurableContext) -> int:
    media = Media(event["id"])
    for size in (100, 200):
        media = media.resized(ctx.step(abs, size, name=f"size-{size}"))
    if media.largest > 150:
        ctx.step(upload, media.id, name="upload")
    return media.largest


@contextmanager
def described(name):
    logger.info("begin %s", name)
    yield
    logger.info("end %s", name)


@durable
def blocks(event: dict, ctx: DurableContext) -> str:
    with described(event["id"]):
        first = ctx.step(shrink, event["id"])
    with ctx.batch():
        return ctx.step(upload, first)


def convert(child: DurableContext) -> str:
    return child.step(shrink, "a")


def transcribe(child: DurableContext) -> str:
    return child.step(upload, "b")


@durable
def together(event: dict, ctx: DurableContext) -> list[str]:
    return ctx.parallel([convert, transcribe]).results


@durable
def first_good(event: dict, ctx: DurableContext) -> str:
    branches = [lambda child, name=name: child.step(shrink, name) for name in event["names"]]
    batch = ctx.parallel(branches, completion=Completion.first_successful())
    winner: BatchItem = batch.succeeded[0]
    return winner.result


@durable
def polls(event: dict, ctx: DurableContext) -> int:
    return ctx.wait_for_condition(
        lambda seen: seen + 1, initial=0, polling=Polling.every(5, lambda seen: seen > 2), name="seen"
    )


@durable
def again(event: dict, ctx: DurableContext) -> str:
    def attempt(child: DurableContext) -> str:
        offer = child.step(shrink, event["id"], name="offer")
        child.wait(60, name="think")
        return child.step(upload, offer, retry=Retry.none())

    return ctx.with_retry(attempt, name="deal")


@durable
def reduces(items: list[int], ctx: DurableContext) -> int:
    doubled = [ctx.step(abs, item, name=f"abs-{number}") for number, item in enumerate(items)]
    return reduce(lambda one, other: one + other, doubled, 0)


@durable
def cleans_up(event: dict, ctx: DurableContext) -> str:
    ctx.defer(upload, "cleanup")
    names = re.findall(r"\w+", event["text"])
    for name in dict.fromkeys(names):
        ctx.step(shrink, name, name=f"name-{name}")
    return f"{len(names)} names"


def numbered(items):
    yield from enumerate(items, start=1)


@durable
def generator(items: list[str], ctx: DurableContext) -> int:
    for number, item in numbered(items):
        ctx.step(upload, item, name=f"upload-{number}")
    return len(items)


@durable
def local_changes(event: dict, ctx: DurableContext) -> dict:
    state = {"done": []}
    for name in ("a", "b"):
        state["done"].append(ctx.step(shrink, name, name=name))
    state["count"] = len(state["done"])
    event["state"] = state
    return event


@durable
def copies_first(event: dict, ctx: DurableContext) -> str:
    def enrich(order):
        order = dict(order)
        order["paid"] = True
        return order

    paid = ctx.step(enrich, event)
    return ctx.step(json.dumps, {"before": event.get("paid"), "after": paid["paid"]}, name="receipt")


@durable
def keeps_in_the_step(items: list[str], ctx: DurableContext) -> int:
    def total():
        lengths = []
        cache = {}
        for item in items:
            cache[item] = cache.get(item) or len(item)
            lengths.append(cache[item])
        return sum(lengths)

    return ctx.step(total)
