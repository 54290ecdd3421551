"""A record is a frozen dataclass with slots: whatever can be asked of one is asked of both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
import threading
import typing
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Generic, TypeVar

import pytest
from pydantic import TypeAdapter

from powertools_durable._frozen import frozen, sharing

T = TypeVar("T")


@frozen
class Point(Generic[T]):
    """A place, by `record`."""

    x: T
    y: int = 2
    tags: list[str] = field(default_factory=list, hash=False)
    secret: str = field(default="", repr=False)
    _: KW_ONLY
    unit: str = "m"

    def __post_init__(self) -> None:
        if self.y < 0:
            message = "below the ground"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Place(Generic[T]):
    """The same, by `dataclass`."""

    x: T
    y: int = 2
    tags: list[str] = field(default_factory=list, hash=False)
    secret: str = field(default="", repr=False)
    _: KW_ONLY
    unit: str = "m"

    def __post_init__(self) -> None:
        if self.y < 0:
            message = "below the ground"
            raise ValueError(message)


@frozen(kw_only=True, eq=False, repr=False)
class Thing:
    """Neither equal to another, nor shown."""

    name: str
    parts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Item:
    """The same, by `dataclass`."""

    name: str
    parts: Sequence[str] = ()


BOTH = pytest.mark.parametrize("cls", [Point, Place])


def fresh(decorate):
    """A class that nobody has made an instance of, or looked at."""

    class Fresh:
        x: int
        y: str = "y"

    return decorate(Fresh)


@BOTH
def test_it_is_made_by_place_and_by_name(cls):
    one = cls(1, y=3, unit="km")
    assert (one.x, one.y, one.tags, one.secret, one.unit) == (1, 3, [], "", "km")
    assert cls(1).tags is not cls(1).tags


@BOTH
@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing 1 required positional argument: 'x'"),
        ((1, 2, [], "", "km"), {}, "takes from 2 to 5 positional arguments but 6 were given"),
        ((1,), {"z": 3}, "unexpected keyword argument 'z'"),
    ],
)
def test_wrong_arguments_are_refused_with_pythons_own_words(cls, args, kwargs, words):
    with pytest.raises(TypeError, match=words):
        cls(*args, **kwargs)


@BOTH
def test_it_checks_itself(cls):
    with pytest.raises(ValueError, match="below"):
        cls(1, -1)


@BOTH
def test_it_can_t_be_changed(cls):
    one = cls(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x'"):
        one.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x'"):
        del one.x
    assert not hasattr(one, "__dict__")


@BOTH
def test_it_is_equal_to_its_kind_with_the_same_values(cls):
    other = Place if cls is Point else Point
    assert cls(1, 2) == cls(1)
    assert cls(1, 3) != cls(1)
    assert cls(1) != other(1)
    assert cls(1).__eq__(object()) is NotImplemented


def test_its_hash_is_that_of_its_values():
    @frozen
    class Pair:
        a: int
        b: str

    assert {Pair(1, "b"): "found"}[Pair(1, "b")] == "found"
    assert hash(Pair(1, "b")) == hash((1, "b"))


@BOTH
def test_it_shows_what_may_be_shown(cls):
    assert repr(cls(1, secret="s3cret")) == f"{cls.__name__}(x=1, y=2, tags=[], unit='m')"


@BOTH
def test_a_pattern_takes_it_apart(cls):
    match cls(1, 5):
        case cls(x, y, unit="m"):
            assert (x, y) == (1, 5)
        case _:
            pytest.fail("no match")


@BOTH
def test_copies_and_pickles_are_equal(cls):
    one = cls(1, tags=["a"])
    for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert made == one
        assert made is not one
    assert copy.deepcopy(one).tags is not one.tags


@BOTH
def test_dataclasses_take_it_for_theirs(cls):
    assert dataclasses.is_dataclass(cls)
    assert [f.name for f in dataclasses.fields(cls)] == ["x", "y", "tags", "secret", "unit"]
    assert dataclasses.asdict(cls(1)) == {"x": 1, "y": 2, "tags": [], "secret": "", "unit": "m"}
    assert dataclasses.replace(cls(1), y=4) == cls(1, 4)
    with pytest.raises(ValueError, match="below"):
        dataclasses.replace(cls(1), y=-1)


@BOTH
def test_pydantic_takes_it_for_a_dataclass(cls):
    adapter = TypeAdapter(cls[int])
    one = adapter.validate_python({"x": "1", "tags": ["a"]})
    assert one == cls(1, tags=["a"])
    assert adapter.dump_python(one) == dataclasses.asdict(one)


@pytest.mark.parametrize("decorate", [frozen, dataclass(frozen=True, slots=True)])
def test_its_signature_is_known_before_the_first_instance(decorate):
    cls = fresh(decorate)
    assert str(inspect.signature(cls)) == "(x: 'int', y: 'str' = 'y') -> None"

    class Below(fresh(decorate)):
        def __init__(self, other: bytes) -> None:
            super().__init__(1)
            object.__setattr__(self, "other", other)

    assert list(inspect.signature(Below).parameters) == ["other"]
    assert (Below(b"").x, Below(b"").y) == (1, "y")


def test_one_that_was_looked_at_first_can_be_made():
    cls = fresh(frozen)
    assert [f.default for f in dataclasses.fields(cls)] == [dataclasses.MISSING, "y"]
    assert (cls(1).x, cls(1).y) == (1, "y")


def test_one_without_fields_is_a_record_too():
    @frozen
    class Empty:
        def double(self, n: int) -> int:
            return 2 * n

    assert (Empty(), repr(Empty()), dataclasses.fields(Empty)) == (Empty(), f"{Empty.__qualname__}()", ())
    assert Empty().double(2) == 4


class Base:
    def __repr__(self) -> str:
        return "shown by the base"


@pytest.mark.parametrize("decorate", [frozen(repr=False), dataclass(frozen=True, repr=False)])
def test_without_repr_it_is_shown_as_its_base_is(decorate):
    @decorate
    class Below(Base):
        x: int

    assert repr(Below(1)) == "shown by the base"


# -- classes below one ----------------------------------------------------------------------------------------


@frozen
class Policy:
    """What users may inherit from."""

    limit: int = 3


class Named(Policy):
    """By hand, with an attribute of its own."""

    def __init__(self, name: str, limit: int = 3) -> None:
        super().__init__(limit)
        self.name = name


@dataclass(frozen=True)
class Labelled(Policy):
    """As a dataclass."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Slotted(Policy):
    """As a dataclass with slots."""

    name: str = ""


BELOW = pytest.mark.parametrize("cls", [Named, Labelled, Slotted])


@BELOW
def test_what_a_class_below_adds_is_copied_and_pickled_too(cls):
    one = cls(name="n", limit=5)
    for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (made.name, made.limit) == ("n", 5)


@BELOW
def test_fields_of_a_class_below_can_t_be_changed_its_own_attributes_can(cls):
    one = cls(name="n")
    with pytest.raises(dataclasses.FrozenInstanceError, match="'limit'"):
        one.limit = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match="'limit'"):
        del one.limit
    if cls is Named:
        one.name = "other"
        del one.name
        assert not hasattr(one, "name")
    else:
        assert dataclasses.replace(one, limit=4) == cls(limit=4, name="n")


@BOTH
def test_its_hints_are_known_as_types(cls):
    """Of a class that nobody has made an instance of: what injects arguments looks at ``__init__`` first."""
    hints = typing.get_type_hints(cls.__init__)
    assert (hints["y"], hints["tags"], hints["return"]) == (int, list[str], type(None))
    assert inspect.signature(cls, eval_str=True).parameters["unit"].annotation is str


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace() is of Python 3.13")
@BOTH
def test_copy_replaces_too(cls):
    assert copy.replace(cls(1), y=4) == cls(1, 4)  # type: ignore[attr-defined]


def test_two_threads_may_be_the_first_to_make_and_to_look_at_one():
    for _ in range(30):
        cls, together, found = fresh(frozen), threading.Barrier(4), []

        def makes(cls=cls, together=together, found=found):
            together.wait(60)
            found.append(cls(1).y)

        def looks(cls=cls, together=together, found=found):
            together.wait(60)
            found.append(dataclasses.fields(cls)[1].default)

        threads = [threading.Thread(target=run) for run in (makes, looks, makes, looks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["y"] * 4


# -- fields that share a slot ---------------------------------------------------------------------------------


@frozen(kw_only=True)
class Shared:
    """A number, a text, or neither."""

    key: str
    number: int | None = sharing("value", int)
    text: str | None = sharing("value", str)


@pytest.mark.parametrize(
    ("given", "number", "text"),
    [({}, None, None), ({"number": 0}, 0, None), ({"text": "t"}, None, "t"), ({"number": 1, "text": None}, 1, None)],
)
def test_of_fields_that_share_a_slot_one_has_a_value(given, number, text):
    one = Shared(key="k", **given)
    assert (one.number, one.text) == (number, text)
    assert one == Shared(key="k", number=number, text=text)
    assert repr(one).endswith(f"Shared(key='k', number={number!r}, text={text!r})")
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert dataclasses.asdict(one) == {"key": "k", "number": number, "text": text}
    assert dataclasses.replace(one, key="l").number == number
    assert dataclasses.replace(one, number=None, text="other").text == "other"


def test_they_have_one_slot():
    assert Shared.__slots__ == ("key", "value")
    assert sys.getsizeof(Shared(key="k")) < sys.getsizeof(Point(1))


@pytest.mark.parametrize("cls", [Thing, Item])
def test_without_eq_and_repr_it_is_itself_alone(cls):
    one, other = cls(name="a"), cls(name="a")
    assert one != other
    assert len({one, other}) == 2
    assert "object at" in repr(one)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        cls("a")
    assert cls.__match_args__ == ()


def test_nothing_is_compiled_while_the_class_is_made(monkeypatch):
    compiled = []
    monkeypatch.setattr("builtins.exec", lambda *args: compiled.append(args))
    fresh(frozen)
    assert not compiled
    with pytest.raises(KeyError):  # nothing was, so there is no ``__init__``
        fresh(frozen)(1)
    assert len(compiled) == 1
