"""Models that come back are compared by their fields, many at once; their own ``==`` decides where they have one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, wraps
from threading import Lock
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext
from powertools_durable.serdes.base import prove
from powertools_durable.serdes.equality import are_models_equal
from powertools_durable.serdes.models import serdes_for

HERE = SerDesContext("op", "arn")
T = TypeVar("T")


class Line(BaseModel):
    sku: str
    price: float = 1.5


class Express(Line):
    pass


class Order(BaseModel):
    id: int
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    first: Line | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: int


class Private(BaseModel):
    id: int
    _etag: Any = PrivateAttr(default=None)


class Locked(BaseModel):
    id: int
    _lock: Any = PrivateAttr(default_factory=Lock)


class Cached(BaseModel):
    id: int

    @cached_property
    def twice(self) -> int:
        return 2 * self.id


class Box(BaseModel, Generic[T]):
    inside: T


class Loose(BaseModel):
    id: int

    def __eq__(self, other):
        return isinstance(other, Loose)

    __hash__ = None


class Strict(BaseModel):
    id: int

    def __eq__(self, other):
        return self is other

    __hash__ = None


class Raising(BaseModel):
    id: int

    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None


@dataclass
class Shelf:
    lines: list[Line]


def private(etag):
    made = Private(id=1)
    made._etag = etag  # noqa: SLF001 - what a method of the model would do
    return made


def cached():
    made = Cached(id=1)
    assert made.twice == 2
    return made


def order(**values):
    return Order(id=1, lines=[Line(sku="a")], by_name={"a": Line(sku="a")}, first=Line(sku="a")).model_copy(
        update=values
    )


AROUND = {
    "list": lambda one: [one, one.model_copy()],
    "tuple": lambda one: (one, one.model_copy()),
    "dict": lambda one: {"a": one, "b": one.model_copy()},
    "lists": lambda one: [[one], [], [one]],
    "mixed": lambda one: [one, None, 3],
    "model": lambda one: Box[type(one)](inside=one),
    "models": lambda one: [Box[type(one)](inside=one), Box[type(one)](inside=one)],
}
EQUAL = {
    "fields": (Line(sku="a"), Line(sku="a")),
    "fields that were not set": (Line(sku="a"), Line(sku="a", price=1.5)),
    "nested": (order(), order()),
    "extra": (Open(id=1, note="x"), Open(id=1, note="x")),
    "no extra": (Open(id=1), Open.model_construct(id=1)),
    "private": (private("x"), private("x")),
    "what is cached": (cached(), Cached(id=1)),
    "its own ==": (Loose(id=1), Loose(id=2)),
}
UNEQUAL = {
    "a field": (Line(sku="a"), Line(sku="b")),
    "another class": (Line(sku="a"), Express(sku="a")),
    "a nested field": (order(), order(first=Line(sku="b"))),
    "a nested class": (order(), order(first=Express(sku="a"))),
    "a class in a list": (order(), order(lines=[Express(sku="a")])),
    "a list's length": (order(), order(lines=[])),
    "a class in a dict": (order(), order(by_name={"a": Express(sku="a")})),
    "a key": (order(), order(by_name={"b": Line(sku="a")})),
    "a nested None": (order(), order(first=None)),
    "extra": (Open(id=1, note="x"), Open(id=1, note="y")),
    "private": (private("x"), private("y")),
    "its own ==": (Strict(id=1), Strict(id=1)),
    "an == that raises": (Raising(id=1), Raising(id=1)),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_what_is_equal_is(one, other, around):
    assert are_models_equal(around(one), around(other)) is True


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(("one", "other"), UNEQUAL.values(), ids=UNEQUAL)
def test_what_is_not_is_not(one, other, around):
    assert are_models_equal(around(one), around(other)) is False


def test_which_list_of_several_it_is_in_counts():
    line = Line(sku="a")
    assert not are_models_equal([[line, line], []], [[line], [line]])
    assert not are_models_equal([{"a": line}, {}], [{}, {"a": line}])


LINES = st.builds(Line, sku=st.sampled_from("ab")) | st.builds(Express, sku=st.sampled_from("ab"))
ORDERS = st.builds(
    Order,
    id=st.integers(0, 1),
    lines=st.lists(LINES, max_size=2),
    by_name=st.dictionaries(st.sampled_from("ab"), LINES, max_size=2),
    first=st.none() | LINES,
)
VALUES = st.recursive(
    ORDERS | LINES | st.integers(0, 1) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_it_says_what_the_models_themselves_say(one, other):
    assert are_models_equal(one, other) is (one == other)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[Line], [Line(sku=str(number)) for number in range(1_000)]),
        (Order, Order(id=1, lines=[Line(sku=str(number)) for number in range(1_000)])),
        (list[Order], [order() for _ in range(1_000)]),
        (dict[str, Line], {str(number): Line(sku="a") for number in range(1_000)}),
        (list[Private], [private(None) for _ in range(1_000)]),
        (list[Box[Line]], [Box[Line](inside=Line(sku="a")) for _ in range(1_000)]),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_thousand_models_are_proved_without_asking_each(annotation, value, monkeypatch):
    asked = []
    original = BaseModel.__eq__

    @wraps(original)
    def counted(one, other):
        asked.append(one)
        return original(one, other)

    monkeypatch.setattr(BaseModel, "__eq__", counted)
    assert prove(value, serdes_for(annotation), HERE)[1] == value
    asked.clear()
    prove(value, serdes_for(annotation), HERE)
    assert len(asked) < 10


def test_a_lock_is_made_anew_and_the_rest_of_the_private_attributes_counts():
    assert len(prove([Locked(id=1)] * 2, serdes_for(list[Locked]), HERE)[1]) == 2
    with pytest.raises(SerDesError, match=r"result\[1\]\._etag was a str"):
        prove([private(None), private("x")], serdes_for(list[Private]), HERE)


def test_an_equality_of_the_user_s_is_asked_about_each():
    assert len(prove([Loose(id=1)] * 2, serdes_for(list[Loose]), HERE)[1]) == 2
    for cls in (Strict, Raising):
        with pytest.raises(SerDesError, match=rf"result\[0\] was a {cls.__name__}"):
            prove([cls(id=1)] * 2, serdes_for(list[cls]), HERE)


def test_models_in_a_dataclass_are_compared_by_it():
    shelf = Shelf([Line(sku="a")])
    assert prove([shelf], serdes_for(list[Shelf]), HERE)[1] == [shelf]
