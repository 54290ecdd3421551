"""The first difference between what was written and what was read back, and the words for it."""

from __future__ import annotations

import enum
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr

from powertools_durable import BatchItem, BatchResult
from powertools_durable.serdes.difference import first_difference
from powertools_durable.serdes.paths import ROOT, at_depth, by_field, by_index, by_key, locate, shown


class Animal(BaseModel):
    name: str = "rex"


class Dog(Animal):
    breed: str = "pug"


class Private(BaseModel):
    model_config = ConfigDict(extra="allow")
    _etag: Any = PrivateAttr(default=None)


@dataclass
class Pair:
    one: Any = None
    two: Any = None


@dataclass(eq=False)
class Opaque:
    one: Any = None


class Point(NamedTuple):
    x: Any
    y: Any = 0


class Handle:
    """Has no ``==``."""


class Word(enum.StrEnum):
    A = "a"


def private(etag, **extra):
    made = Private(**extra)
    made._etag = etag  # noqa: SLF001
    return made


def batch(*results, reason="ALL_COMPLETED"):
    return BatchResult(tuple(BatchItem(n, None, "SUCCEEDED", result=r) for n, r in enumerate(results)), reason)


DIFFERENT = [
    ([1, 2], [1], "result[1] was an int and did not come back"),
    ([1], [1, 2], "result[1] was not there and came back as an int"),
    ({"a": 1}, {}, "result[key 1] was an int and did not come back"),
    ({}, {"a": None}, "result[key 1] was not there and came back as None"),
    ({"two words": 1}, {"two words": 2}, "result[key 1] was an int and came back as another one"),
    ({7: "canary"}, {"7": "canary"}, "result[key 1] was a str and did not come back"),
    ((1,), [1], "result was a tuple and came back as a list"),
    ({1, 2}, {1}, "result[an element] was an int and did not come back"),
    ({1}, {1, 2}, "result[an element] was not there and came back as an int"),
    ([Animal(), Dog()], [Animal(), Animal()], "result[1] was a Dog and came back as an Animal"),
    (Pair(Dog()), Pair(Animal()), "result.one was a Dog and came back as an Animal"),
    (Opaque(Dog()), Opaque(Animal()), "result.one was a Dog and came back as an Animal"),
    (private("v7"), private(None), "result._etag was a str and came back as None"),
    (private(None, b=(1,)), private(None, b=[1]), "result[key 1] was a tuple and came back as a list"),
    (Point(1), (1, 0), "result was a Point and came back as a tuple"),
    ([Point(1)], [Point(2)], "result[0].x was an int and came back as another one"),
    ([Word.A, 1], ["a", 2], "result[0] was a Word and came back as a str"),
    (True, 1, "result was a bool and came back as an int"),
    (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), "came back as another one"),
    (batch(1, Dog()), batch(1, Animal()), "result[1].result was a Dog and came back as an Animal"),
    (batch(1), batch(1, 2), "result was a BatchResult and came back as another one"),
    (
        {"deep": [{"er": (Pair(two=[Dog()]),)}]},
        {"deep": [{"er": (Pair(two=[Animal()]),)}]},
        "result[key 1][0][key 1][0].two[0] was a Dog",
    ),
]


@pytest.mark.parametrize(("was", "came", "words"), DIFFERENT, ids=[row[2][-40:] for row in DIFFERENT])
def test_the_first_difference_is_named_by_its_path_and_classes(was, came, words):
    found = first_difference(was, came, lambda: True)
    assert words in str(found)
    assert "canary" not in str(found)


EQUAL = [
    (math.nan, float("nan")),
    ({math.nan: [math.nan]}, {float("nan"): [float("nan")]}),
    ({math.nan, 1}, {float("nan"), 1}),
    (Decimal("NaN"), Decimal("NaN")),
    (Pair(math.nan), Pair(float("nan"))),
    (private(threading.Lock()), private(threading.Lock())),
    (OrderedDict(a=1), {"a": 1}),
    (bytearray(b"x"), b"x"),
    ([bytearray(b"x"), math.nan], [b"x", float("nan")]),
    (1, 1.0),
    (Opaque(1), Opaque(1)),
    (batch(1, math.nan), batch(1, float("nan")).named(["a", "b"])),
]


@pytest.mark.parametrize(("was", "came"), EQUAL, ids=range(len(EQUAL)))  # a set's text differs between processes
def test_what_counts_as_equal(was, came):
    assert first_difference(was, came, lambda: False) is None


@pytest.mark.parametrize("is_same", [True, False])
def test_of_what_has_no_equality_the_text_decides(is_same):
    found = first_difference([Handle()], [Handle()], lambda: is_same)
    assert (found is None) == is_same


def test_an_equality_that_raises_or_says_neither_is_a_difference():
    class Raises:
        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    class Neither(Raises):
        def __eq__(self, other):
            return "maybe"

        __hash__ = None

    for cls in (Raises, Neither):
        assert "another one" in str(first_difference(cls(), cls(), lambda: True))


def test_an_equality_of_the_user_s_that_says_no_counts():
    @dataclass
    class Never:
        one: int = 1

        def __eq__(self, other):
            return self is other

        __hash__ = None

    assert str(first_difference(Never(), Never(), lambda: True)) == "result was a Never and came back as another one"


def test_numbers_whose_equality_has_a_bool_of_its_own():
    class Bool:
        def __bool__(self):
            return True

    class Ratio(float):
        def __eq__(self, other):
            return Bool()

        __hash__ = float.__hash__

    assert first_difference(Ratio(0.5), 0.5, lambda: True) is None
    assert first_difference(Ratio(0.5), 0.25, lambda: True) is not None


def test_paths_are_short_and_hold_no_data():
    place = by_index(by_field(by_key(ROOT, "pets", 0), "cage"), 3)
    assert shown(place) == "result[key 1].cage[3]"
    assert shown(place, frozenset({"pets"})) == "result['pets'].cage[3]"  # a TypedDict's
    assert shown(by_key(ROOT, "ann@example.com", 4)) == "result[key 5]"
    path = ROOT
    for _ in range(500):
        path = by_field(path, "below")
    assert len(shown(path)) < 220


def test_the_innermost_culprit_is_located():
    path, item = locate({"a": [1, {"b": "x"}]}, lambda one: one == "x")
    assert (shown(path), item) == ("result[key 1][1][key 1]", "x")
    assert locate([1], lambda one: one == 2) is None
    assert at_depth([[[]]], 3) is None
    assert at_depth([[[]]], 2)[1] == 3
