"""How deep values may be nested does not depend on the container, nor much on the stack around."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import BaseModel

from powertools_durable import BatchItem, BatchResult, Retry, durable
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.batch_format import batch_serdes
from powertools_durable.serdes.models import serdes_for
from powertools_durable.testing import Simulator

HERE = SerDesContext("op", "arn")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

CONTAINERS = {
    "dict": lambda value: {"a": value},
    "tuple": lambda value: (value,),
    "list": lambda value: [value],
    "numbered": lambda value: {1: value},
    "frozen set": lambda value: frozenset({value}),
    "in turn": lambda value: (
        [value] if isinstance(value, dict) else {"a": (value,)} if isinstance(value, list) else {"b": value}
    ),
}
LEAVES = {"plain": 1, "tagged": NOON, "decimal": Decimal("1.10")}


def nested(make, leaf, depth):
    value = leaf
    while depth_of(value) < depth:
        made = make(value)
        value = made if depth_of(made) <= depth else [value]
    return value


def depth_of(value):
    depth = 0
    while isinstance(value, (dict, list, tuple, frozenset)):
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
        depth += 1
    return depth


def under(frames, call):
    """Call with so many frames below it on the stack."""
    used, frame = 0, sys._getframe()  # noqa: SLF001
    while frame is not None:
        used, frame = used + 1, frame.f_back
    return _deeper(max(0, frames - used), call)


def _deeper(more, call):
    return call() if more <= 0 else _deeper(more - 1, call)


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_three_hundred_containers_are_kept_on_a_stack_of_a_hundred_frames(make, leaf):
    value = nested(make, leaf, 300)
    text, seen = under(100, lambda: prove(value, serdes_for(None), HERE))
    again = under(100, lambda: read(text, serdes_for(None), HERE))
    assert flat(seen) == flat(value) == flat(again)


def flat(value):
    """The way inside, for a comparison without recursion."""
    way = []
    while isinstance(value, (dict, list, tuple, frozenset)):
        way.append(type(value))
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return way, value


@pytest.mark.parametrize("leaf", [NOON, {"a": 1}], ids=["tagged", "plain"])
@pytest.mark.parametrize("kind", [kind for kind in CONTAINERS if kind != "frozen set"])
def test_one_more_is_refused_with_place_and_depth(kind, leaf):
    value = nested(CONTAINERS[kind], leaf, 301)
    with pytest.raises(
        SerDesError, match=r"^result.* is nested too deeply: the value is nested 30\d containers deep, and"
    ):
        under(100, lambda: prove(value, serdes_for(None), HERE))


def test_plain_lists_may_be_deeper():
    def make(depth):
        return nested(CONTAINERS["list"], 1, depth)

    text, seen = under(100, lambda: prove(make(480), serdes_for(None), HERE))
    assert flat(seen) == flat(make(480))
    assert under(100, lambda: flat(read(text, serdes_for(None), HERE))) == flat(make(480))
    with pytest.raises(SerDesError, match="nested 481 containers deep, and a record holds 480"):
        under(100, lambda: prove(make(481), serdes_for(None), HERE))


@pytest.mark.parametrize("frames", [400, 700, 900])
def test_where_the_stack_is_used_up_it_is_a_serdes_error_all_the_same(frames):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        for make in CONTAINERS.values():
            value = nested(make, NOON, 300)
            try:
                under(frames, lambda value=value: prove(value, serdes_for(None), HERE))
            except SerDesError as error:
                assert "nested too deeply" in str(error)  # noqa: PT017 - or it is kept
    finally:
        sys.setrecursionlimit(limit)


def test_what_contains_itself_is_told_so():
    value = {"a": []}
    value["a"].append(value)
    with pytest.raises(SerDesError, match="without end: it contains itself"):
        prove(value, serdes_for(None), HERE)


@pytest.mark.parametrize("leaf", [1, NOON], ids=["plain", "tagged"])
def test_the_record_of_a_fan_out_holds_what_its_branches_may_return(leaf):
    value = nested(CONTAINERS["dict"], leaf, 300)
    batch = BatchResult((BatchItem(0, "a", "SUCCEEDED", result=value),), "ALL_COMPLETED")
    serdes = batch_serdes([serdes_for(None)], ["a"], str)
    _, seen = under(100, lambda: prove(batch, serdes, HERE))
    assert flat(seen[0].result) == flat(value)


class Node(BaseModel):
    below: Node | None = None


@dataclass
class Knot:
    below: Knot | None = None


@pytest.mark.parametrize("cls", [Node, Knot])
def test_models_are_refused_with_their_depth_and_never_by_the_stack(cls):
    value = None
    for _ in range(400):
        value = cls(below=value) if cls is Knot else Node.model_construct(below=value)
    with pytest.raises(SerDesError, match=r"result(\.below)+.* is nested 400 containers deep"):
        prove(value, serdes_for(cls), HERE)


def test_a_step_says_so_with_its_name():
    def deep() -> dict:
        return nested(CONTAINERS["dict"], 1, 400)

    @durable
    def handler(event, ctx):
        ctx.step(deep, retry=Retry.none())

    run = Simulator(handler).start({}).finish()
    assert run.error.error_message.startswith("step 'deep' (#1): result[key 1]")
    assert "nested 400 containers deep, and a record holds 300" in run.error.error_message


@pytest.mark.parametrize("text", ['{"t":"l","v":[' * 400 + "]}" * 400, '{"t":"i","v":' * 2000, "[" * 5000])
def test_a_recorded_text_is_read_as_deep_as_it_goes_or_refused(text):
    try:
        found = TaggedJson().deserialize(text, HERE)
    except SerDesError:
        return
    assert depth_of(found) >= 399
