"""What is recorded reads back as what it was, or is refused with what would help."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainSerializer, TypeAdapter, field_validator
from pydantic import dataclasses as pydantic_dataclasses
from typing_extensions import TypeAliasType, TypedDict

from powertools_durable.errors import SerDesError
from powertools_durable.serdes import ModelSerDes, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.models import serdes_for

HERE = SerDesContext("op", "arn")
T = TypeVar("T")


class Payment(BaseModel):
    id: str
    fee: Decimal = Decimal(0)


class CardPayment(Payment):
    kind: Literal["card"] = "card"
    card: str = ""


class CashPayment(Payment):
    kind: Literal["cash"] = "cash"


class Twin(BaseModel):
    id: str
    fee: Decimal = 0  # pydantic does not look at a default


class Renamed(BaseModel):
    id: str = Field(alias="ID")


class Grows(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def one_more(cls, n):
        return n + 1


class Fussy(BaseModel):
    n: Annotated[int, PlainSerializer(lambda n: f"canary {n}")]


class Raw(BaseModel):
    data: bytes


class Encoded(Raw):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Real(BaseModel):
    x: float


@dataclass
class Node:
    below: Node | None = None
    many: list[Node] = field(default_factory=list)


@pydantic_dataclasses.dataclass
class Line:
    sku: str
    price: Decimal


@dataclass
class Holder(Generic[T]):
    inside: T


class Box(BaseModel, Generic[T]):
    inside: T


class Row(TypedDict, total=False):
    when: date
    node: Node


class Colour(enum.Enum):
    RED = (1, 2)
    BLUE = "blue"


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


Many = TypeAliasType("Many", list[T], type_params=(T,))
Tree = TypeAliasType("Tree", list["Tree"] | Payment)
ByKind = Annotated[CardPayment | CashPayment, Discriminator("kind")]

KEPT = [
    (Payment, Payment(id="ä𝄞")),
    (Payment, Payment(id="1", fee=Decimal("1.10"))),
    (CardPayment | Payment, CardPayment(id="1", card="2")),
    (list[ByKind], [CashPayment(id="1"), CardPayment(id="2", card="3")]),
    (Renamed, Renamed(ID="1")),
    (Encoded, Encoded(data=b"\xff")),
    (Node, Node(Node(), [Node()])),
    (list[Line], [Line("a", Decimal("0.10"))]),
    (Holder[Payment], Holder(Payment(id="1"))),
    (Box[Payment], Box[Payment](inside=Payment(id="1"))),
    (dict[str, Row], {"a": {"when": date(2026, 1, 2)}, "b": {"node": Node()}}),
    (Many[Payment], [Payment(id="1")]),
    (Tree, [[], [Payment(id="1")]]),
    (tuple[Colour, ...], (Colour.BLUE,)),
    (Level, Level.LOW | Level.HIGH),
    (dict[Colour, int], {Colour.BLUE: 1}),
    (set[Colour], {Colour.BLUE}),
    (Payment | list[timedelta], [timedelta(1, 2, 3)]),
    (TypeAdapter(Payment), Payment(id="1")),
    (Payment | None, None),
]


@pytest.mark.parametrize(("annotation", "value"), KEPT, ids=lambda part: str(part)[:40])
def test_a_value_of_the_annotation_comes_back(annotation, value):
    text, seen = prove(value, serdes_for(annotation), HERE)
    again = read(text, serdes_for(annotation), HERE)
    assert isinstance(serdes_for(annotation), ModelSerDes)
    assert (seen, type(seen), again) == (value, type(value), value)


@pytest.mark.parametrize(("annotation", "value"), [(Box[int], Box(inside=3)), (Box, Box[int](inside=3))])
def test_a_model_s_parameters_make_no_other_model_of_it(annotation, value):
    assert prove(value, serdes_for(annotation), HERE)[1].inside == 3


def around(value):
    """A value that contains itself."""
    value.many.append(value)
    return value


def deep(make, value):
    for _ in range(5000):
        value = make(value)
    return value


REFUSED = [
    (
        Payment,
        CardPayment(id="1"),
        "keep: result was a CardPayment and came back as a Payment; annotate the class that",
    ),
    (Payment | None, CardPayment(id="1"), "result was a CardPayment and came back as a Payment"),
    (CardPayment | Payment, Payment(id="1"), "result was a Payment and came back as a CardPayment"),
    (BaseModel, Payment(id="1"), "result was a Payment and came back as a BaseModel"),
    (Payment, Twin(id="1", fee=1), "result was a Twin and came back as a Payment"),
    (Grows, Grows(n=1), "result.n was an int and came back as another one"),
    (Fussy, Fussy(n=1), "a recorded value is not a Fussy: result.n (int_parsing)"),
    (Real, Real(x=math.nan), "a recorded value is not a Real: result.x (float_type)"),
    (Real, Real(x=-math.inf), "a recorded value is not a Real: result.x (float_type)"),
    (Raw, Raw(data=b"\xff"), "a Raw holds something that has no JSON text: result.data is a bytes, which needs"),
    (Payment, Payment(id="\ud800"), "no JSON text: result.id is a str with a lone surrogate"),
    (Node, around(Node()), "a Node holds something that has no JSON text: result.many[0] is nested without end"),
    (Node, deep(Node, None), "is nested 5001 containers deep"),
    (Payment, Payment.model_construct(id=5), "-> Payment but returned a Payment: result.id is of another type"),
    (Twin, Twin(id="1"), "-> Twin but returned a Twin"),
    (
        dict[str, Twin],
        {"a": Twin(id="1")},
        "-> dict[str, Twin] but returned a dict",
    ),
    (list[Payment], {"id": "1"}, "is annotated -> list[Payment] but returned a dict"),
    (Iterable[Payment], [1], "is annotated -> Iterable[Payment] but returned a list"),
    (Colour, "blue", "is annotated -> Colour but returned a str"),
    (tuple[Colour, int], (Colour.RED, 1), "a recorded value is not a tuple["),
    (None, Payment(id="1"), "('-> Payment', '-> list[Payment]')"),
    (
        dict,
        {"a": [Line("a", Decimal(1))]},
        "a Line at result[key 1][0] can't be recorded by default; annotate the function",
    ),
    (int, Level.LOW, "a Level can't be recorded by default; annotate"),
    (dict, {Colour.BLUE: 1}, "a Colour at result[key 1 itself] can't be recorded by default; annotate"),
    (None, Payment, "a ModelMetaclass can't be recorded by default; return something simpler, or give serdes="),
    (None, ValueError("canary"), "a ValueError can't be recorded by default; return something simpler"),
    (None, time(12, tzinfo=ZoneInfo("Europe/Rome")), "no offset to record; return a datetime"),
    (None, deep(lambda value: {"a": value}, 1), "is nested 5000 containers deep, and a record holds 300"),
    (None, deep(lambda value: [value], 1), "is nested 5000 containers deep, and a record holds 480"),
    (None, {"\ud83d\ude00": "canary", "😀": "canary"}, ": a recorded value has a key twice"),
    (None, {"a": 10**5000}, "a number with more digits than Python converts"),
]


@pytest.mark.parametrize(("annotation", "value", "words"), REFUSED, ids=[row[2][-40:] for row in REFUSED])
def test_what_would_come_back_as_something_else_is_refused_with_what_would_help(annotation, value, words):
    with pytest.raises(SerDesError) as caught:
        prove(value, serdes_for(annotation), HERE)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None or "canary" not in str(caught.value.__context__)


@pytest.mark.parametrize(
    "value", ["\ud83d\ude00", ["\ud83d\ude00"], {"a": "\ud83d\ude00"}, {"\ud83d\ude00": 1}], ids=ascii
)
def test_two_surrogates_that_would_come_back_as_one_character_are_refused(value):
    with pytest.raises(SerDesError, match="record can't keep"):
        prove(value, serdes_for(None), HERE)


@pytest.mark.parametrize(
    "value", ["😀", "\ud83d", ["😀", 1], {"😀": ("\ude00", b"x")}, {"😀": 1, "\ud83d": 2}], ids=ascii
)
def test_one_character_or_a_lone_surrogate_comes_back(value):
    text, seen = prove(value, serdes_for(None), HERE)
    assert seen == value == TaggedJson().deserialize(text, HERE)
