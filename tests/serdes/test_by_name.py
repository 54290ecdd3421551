"""What pydantic can read back is read back, from records of this version and of earlier ones."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, NamedTuple

import pydantic
import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, Json, computed_field
from pydantic.alias_generators import to_camel

from powertools_durable import Retry, durable
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import ModelSerDes, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.models import serdes_for
from powertools_durable.testing import Simulator

HERE = SerDesContext("op", "arn")
BY_NAME = tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 11)
needs_names = pytest.mark.skipif(not BY_NAME, reason="pydantic reads by name since 2.11")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    first_name: str = "ann"


class Written(BaseModel):
    a: int = Field(default=5, serialization_alias="B")


class Read(BaseModel):
    a: int = Field(validation_alias="C")


class Choices(BaseModel):
    a: int = Field(validation_alias=AliasChoices("x", AliasPath("y", 0)), serialization_alias="x")


class Deep(BaseModel):
    a: int = Field(validation_alias=AliasPath("outer", "inner"))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = 1

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2


class Parsed(BaseModel):
    rows: Json[list[int]]


class Both(BaseModel):
    written: Written
    camel: list[Camel]


@dataclass
class Plain:
    a: Annotated[int, Field(alias="A")]


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal("1.5")


Untyped = namedtuple("Untyped", "x y")  # noqa: PYI024 - the old way

KEPT = [
    (Camel, Camel(firstName="bob"), '{"firstName":"bob"}'),
    (Written, Written(a=1), '{"a":1}'),
    (Read, Read(C=1), '{"a":1}'),
    (Choices, Choices(x=1), '{"x":1}'),
    (Deep, Deep(outer={"inner": 1}), '{"a":1}'),
    (Strict, Strict(), '{"a":1}'),
    (Parsed, Parsed(rows="[1]"), '{"rows":"[1]"}'),
    (Both, Both(written=Written(a=1), camel=[Camel()]), '{"written":{"a":1},"camel":[{"first_name":"ann"}]}'),
    (list[Written] | None, [Written(a=1)], '[{"a":1}]'),
]


@needs_names
@pytest.mark.parametrize(("annotation", "value", "text"), KEPT, ids=lambda part: str(part)[:30])
def test_it_is_written_as_it_can_be_read(annotation, value, text):
    serdes = serdes_for(annotation)
    assert prove(value, serdes, HERE) == (text, value)
    assert read(text, serdes, HERE) == value


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Camel, '{"firstName":"bob"}', Camel(firstName="bob")),
        (Read, '{"C":1}', Read(C=1)),
        (Choices, '{"y":[1]}', Choices(x=1)),
        (Deep, '{"outer":{"inner":1}}', Deep(outer={"inner": 1})),
        (Point, '{"t":"t","v":[{"t":"i","v":1},{"t":"d","v":"2.50"}]}', Point(1, Decimal("2.50"))),
    ],
    ids=str,
)
def test_texts_by_alias_stay_readable(annotation, text, value):
    assert read(text, serdes_for(annotation), HERE) == value


@needs_names
@pytest.mark.parametrize("cls", [Read, Deep, Camel])
def test_what_was_recorded_without_an_annotation_is_read_by_name_too(cls):
    text = TaggedJson().serialize({"first_name": "bob"} if cls is Camel else {"a": 1}, HERE)
    assert isinstance(read(text, serdes_for(cls), HERE), cls)


def test_payloads_keep_aliases_and_computed_fields():
    """What others read is written as pydantic writes it: a handler's result, an invoke's payload."""
    assert json.loads(ModelSerDes(Strict).serialize(Strict(), HERE)) == {"a": 1, "double": 2}
    assert json.loads(ModelSerDes(Written).serialize(Written(a=1), HERE)) == {"B": 1}

    @durable
    def handler(event, ctx) -> list[Written]:
        ctx.step(lambda: 1, name="one")
        return [Written(a=1)]

    assert Simulator(handler).start({}).finish().result == [{"B": 1}]


@pytest.mark.skipif(BY_NAME, reason="pydantic reads by name since 2.11")
def test_an_older_pydantic_refuses_what_it_can_not_read_back():
    with pytest.raises(SerDesError, match=r"result\.a"):
        prove(Written(a=1), serdes_for(Written), HERE)


# -- named tuples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Point, Point(1, Decimal("2.50"))),
        (list[Point], [Point(1), Point(2)]),
        (dict[str, tuple[Point, int]], {"a": (Point(1), 2)}),
        (Point | None, None),
        (Untyped, Untyped(1, "a")),
    ],
    ids=str,
)
def test_a_named_tuple_is_kept_where_it_is_annotated(annotation, value):
    text, seen = prove(value, serdes_for(annotation), HERE)
    assert repr(seen) == repr(value)
    assert repr(read(text, serdes_for(annotation), HERE)) == repr(value)


@pytest.mark.parametrize("value", [Point(1), [Point(1)], {"a": (Point(1),)}, {Point(1): 1}, {Point(1)}], ids=str)
@pytest.mark.parametrize("annotation", [None, tuple, list, dict, set], ids=str)
def test_and_refused_where_it_is_not(annotation, value):
    with pytest.raises(
        SerDesError, match=r"a Point( at result.*)? can't be recorded by default; annotate|but returned an? "
    ):
        prove(value, serdes_for(annotation), HERE)


def test_one_of_anything_that_becomes_text_is_refused():
    with pytest.raises(SerDesError, match=r"result\.x was a datetime and came back as a str"):
        prove(Untyped(datetime(2026, 1, 1, tzinfo=UTC), 1), serdes_for(Untyped), HERE)


def test_a_step_that_returns_one_gets_one():
    seen = []

    def locate() -> Point:
        return Point(3)

    @durable
    def handler(event, ctx):
        seen.append(ctx.step(locate, retry=Retry.none()))
        seen.append(ctx.map(lambda child, _: child.step(locate), [1], returns=Point).results[0])
        ctx.wait(60)

    assert Simulator(handler).start({}).finish().status == "SUCCEEDED"
    assert seen == [Point(3)] * 4
    assert {type(point) for point in seen} == {Point}
