"""Values of annotated types."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Generic, NewType, TypeVar

import pytest
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes import ModelSerDes, PassThrough, PlainJson, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.models import serdes_for, serdes_of

HERE = SerDesContext("op", "arn")
T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Item(BaseModel):
    price: Decimal
    name: str = Field(alias="itemName", default="")


@dataclass
class Point:
    x: int
    when: datetime | None = None


class Row(TypedDict):
    id: int


class Box(BaseModel, Generic[T]):
    inside: T


OrderId = NewType("OrderId", Item)

AS_JSON = [
    Item,
    Point,
    Row,
    Colour,
    list[Item],
    dict[str, Point],
    Item | None,
    Item | Point,
    tuple[Colour, int],
    Annotated[Item, "note"],
    Box[int],
    OrderId,
    TypeAdapter(Item),
    list[dict[str, list[Row]]],
]
TAGGED = [None, Any, int, str, dict, list, dict[str, int], list[datetime], set[int], tuple[int, str], int | None, bytes]


@pytest.mark.parametrize("annotation", AS_JSON, ids=str)
def test_a_class_of_the_user_s_anywhere_in_the_annotation_asks_for_plain_json(annotation):
    assert isinstance(serdes_for(annotation), ModelSerDes)


@pytest.mark.parametrize("annotation", TAGGED, ids=str)
def test_everything_else_is_tagged_so_that_official_histories_replay(annotation):
    assert isinstance(serdes_for(annotation), TaggedJson)


VALUES = [
    (Item, Item(price="1.10", itemName="cup"), '{"price":"1.10","itemName":"cup"}'),
    (Point, Point(1), '{"x":1,"when":null}'),
    (Colour, Colour.RED, '"red"'),
    (list[Item], [Item(price="2")], '[{"price":"2","itemName":""}]'),
    (Item | None, None, "null"),
    (Box[int], Box[int](inside=3), '{"inside":3}'),
    (Item | Point, Point(2), '{"x":2,"when":null}'),
]


@pytest.mark.parametrize(("annotation", "value", "text"), VALUES, ids=lambda part: str(part)[:30])
def test_a_value_of_the_annotation_reads_back_equal(annotation, value, text):
    written, seen = prove(value, serdes_for(annotation), HERE)
    assert (written, seen, type(seen)) == (text, value, type(value))


class Other(BaseModel):
    price: int


@pytest.mark.parametrize(("annotation", "value"), [(Item, Other(price=1)), (Item, {"price": 1}), (Point, 7)])
def test_a_value_of_another_type_is_refused_by_both_names(annotation, value):
    words = rf"annotated -> {annotation.__name__} but returned an? {type(value).__name__}$"
    with pytest.raises(SerDesError, match=words):
        prove(value, serdes_for(annotation), HERE)


class Unstable:
    """A format of ours that loses something."""

    compares = True

    def serialize(self, value, context):
        return str(value)

    def deserialize(self, text, context):
        return float(text) + 1


def test_a_value_that_reads_back_as_something_else_is_refused():
    with pytest.raises(SerDesError, match="result was a float and came back as another one"):
        prove(1.0, Unstable(), HERE)


def test_a_recorded_text_of_another_type_names_the_places_and_no_value():
    with pytest.raises(SerDesError, match=r"is not a Item: result.price \(") as caught:
        read('{"price":"canary"}', serdes_for(Item), HERE)
    assert "canary" not in str(caught.value)


def test_a_type_without_a_schema_says_what_pydantic_advises():
    with pytest.raises(DurableConfigError, match=r"pydantic has no schema for Opaque: Unable to generate"):
        ModelSerDes(Opaque)


class Opaque: ...


# -- by the function -------------------------------------------------------------------------------------------


def gives_item() -> Item: ...
def gives_text() -> str: ...
def gives_nothing(): ...
def gives_by_name() -> list[Item]: ...


class Called:
    def __call__(self) -> Item: ...

    def method(self) -> Point: ...


FUNCTIONS = [
    (gives_item, ModelSerDes),
    (gives_text, TaggedJson),
    (gives_nothing, TaggedJson),
    (gives_by_name, ModelSerDes),
    (partial(gives_item), ModelSerDes),
    (Called(), ModelSerDes),
    (Called().method, ModelSerDes),
    (Item, ModelSerDes),
    (len, TaggedJson),
    (lambda: 1, TaggedJson),
    (None, TaggedJson),
]


@pytest.mark.parametrize(("function", "cls"), FUNCTIONS, ids=lambda part: getattr(part, "__name__", str(part))[:30])
def test_a_function_s_annotation_decides(function, cls):
    assert isinstance(serdes_of(function), cls)


def test_returns_wins_over_the_annotation():
    assert isinstance(serdes_of(gives_text, Item), ModelSerDes)


# -- formats of others -----------------------------------------------------------------------------------------


class Upper:
    def serialize(self, value, context):
        return value.upper()

    def deserialize(self, text, context):
        return text


def test_a_given_serdes_is_used_as_it_is():
    assert prove("hello", Upper(), HERE) == ("HELLO", "HELLO")


class Raises:
    def __init__(self, error):
        self.error = error

    def serialize(self, value, context):
        raise self.error

    def deserialize(self, text, context):
        raise self.error


def test_what_a_serdes_raises_is_wrapped_without_its_words():
    for call in (lambda serdes: prove(1, serdes, HERE), lambda serdes: read("x", serdes, HERE)):
        with pytest.raises(SerDesError, match="by Raises: LookupError") as caught:
            call(Raises(LookupError("canary")))
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("error", [SerDesError("mine"), RetryableSerDesError("later"), MemoryError()], ids=type)
def test_its_own_errors_pass(error):
    with pytest.raises(type(error)):
        prove(1, Raises(error), HERE)


class Numbers:
    def serialize(self, value, context):
        return 5


def test_a_serdes_must_write_text():
    with pytest.raises(SerDesError, match="returned int; it must return text or None"):
        prove(1, Numbers(), HERE)


class Nothing:
    def serialize(self, value, context):
        return None

    def deserialize(self, text, context):
        raise AssertionError


def test_none_is_no_text_and_reads_back_without_a_call():
    assert prove("x", Nothing(), HERE) == (None, None)
    assert read(None, Nothing(), HERE) is None


def test_plain_json_has_no_nan():
    with pytest.raises(SerDesError, match="ValueError"):
        prove(float("nan"), PlainJson(), HERE)
    assert prove({"a": [1, None]}, PlainJson(), HERE)[0] == '{"a": [1, null]}'


@pytest.mark.parametrize("text", ["NaN", '{"rate": [1, NaN]}', "Infinity", "[-Infinity]"])
def test_plain_json_reads_no_nan_either(text):
    with pytest.raises(SerDesError, match=r"holds (NaN|-?Infinity), which is no JSON: have its sender send null"):
        read(text, PlainJson(), HERE)
    assert read('{"rate": 1e999, "text": "NaN"} ', PlainJson(), HERE) == {"rate": math.inf, "text": "NaN"}


def test_pass_through_takes_text_only():
    assert prove("raw {", PassThrough(), HERE) == ("raw {", "raw {")
    with pytest.raises(SerDesError, match="must return text or None"):
        prove(5, PassThrough(), HERE)
