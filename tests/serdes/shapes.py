"""Values of many shapes, each with the annotation that its author would write, and a comparison of every field."""

from __future__ import annotations

import enum
import math
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretStr,
    computed_field,
)
from pydantic import dataclasses as pydantic_dataclasses
from typing_extensions import TypedDict

T = TypeVar("T")


class Animal(BaseModel):
    name: str = "rex"


class Dog(Animal):
    breed: str = "pug"


class Owner(BaseModel):
    pet: Animal


class Login(BaseModel):
    token: SecretStr


class Excluded(BaseModel):
    a: int = 1
    raw: str = Field(default="", exclude=True)


class Private(BaseModel):
    a: int = 1
    _etag: str = PrivateAttr(default="")


class Locked(BaseModel):
    a: int = 1
    _lock: Any = PrivateAttr(default_factory=threading.Lock)


class Bag(BaseModel):
    data: dict[str, Any]


class Aliased(BaseModel):
    a: int = Field(alias="A")


class WrittenOtherwise(BaseModel):
    a: int = Field(serialization_alias="B")


class ReadOtherwise(BaseModel):
    a: int = Field(validation_alias="C")


class Choices(BaseModel):
    a: int = Field(validation_alias=AliasChoices("x", AliasPath("y", 0)))


class Deep(BaseModel):
    a: int = Field(validation_alias=AliasPath("outer", "inner"))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = 1

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2


class WithJson(BaseModel):
    parsed: Json[list[int]]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1


class Real(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    x: float


class Ids(RootModel[list[int]]):
    pass


class Box(BaseModel, Generic[T]):
    inside: T


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str = "4242"


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    coins: list[Decimal] = []


ByKind = Annotated[Card | Cash, Discriminator("kind")]


@dataclass
class Parcel:
    weight: Decimal
    sent: datetime | None = None


@dataclass
class Insured(Parcel):
    worth: int = 900


@dataclass(slots=True)
class Slotted:
    a: int
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    a: int = 1


@dataclass(eq=False)
class WithoutEquality:
    pet: Animal


@dataclass
class Holder(Generic[T]):
    inside: T


@dataclass
class Derived:
    a: int = 1
    half: float = field(init=False, default=0.5)


@pydantic_dataclasses.dataclass
class Line:
    sku: str = "a"
    price: Decimal = Decimal("0.10")


class Row(TypedDict, total=False):
    when: date
    pet: Animal


class Point(NamedTuple):
    x: int
    y: Decimal = Decimal("1.5")


class Colour(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    A = "a"


class Flag(enum.IntFlag):
    ONE = 1
    TWO = 2


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Ratio(float):
    pass


class Stubborn(BaseModel):
    a: int = 1

    def __eq__(self, other):
        raise TypeError("never")

    __hash__ = None


class Vague(BaseModel):
    a: int = 1

    def __eq__(self, other):
        return NotImplemented if other is None else "yes"

    __hash__ = None


def private(etag):
    made = Private(a=1)
    made._etag = etag  # noqa: SLF001 - what the test is about
    return made


OrderId = NewType("OrderId", str)
ROME = ZoneInfo("Europe/Rome")

# name: annotation, value, whether it comes back: annotated, and not annotated
LEAVES: dict[str, tuple[Any, Any, bool, bool]] = {
    "None": (type(None), None, True, True),
    "int": (int, 10**30, True, True),
    "bool": (bool, True, True, True),
    "bool for int": (int, False, True, True),
    "float": (float, -0.5, True, True),
    "int for float": (float, 3, True, True),
    "nan": (float, math.nan, True, True),
    "inf": (float, -math.inf, True, True),
    "str": (str, "ä𝄞\0", True, True),
    "new type": (OrderId, OrderId("7"), True, True),
    "literal": (Literal["a", 1], "a", True, True),
    "str subclass": (str, Text("x"), True, True),
    "int subclass": (int, Number(3), True, True),
    "float subclass": (float, Ratio(0.5), True, True),
    "bytes": (bytes, b"\xff\0", True, True),
    "bytearray": (bytearray, bytearray(b"\xff"), True, True),
    "decimal": (Decimal, Decimal("1.10"), True, True),
    "decimal nan": (Decimal, Decimal("NaN"), True, True),
    "uuid": (UUID, UUID(int=7), True, True),
    "date": (date, date(2026, 1, 2), True, True),
    "time": (time, time(1, 2, 3, 4, tzinfo=UTC), True, True),
    "timedelta": (timedelta, timedelta(-1, 2, 3), True, True),
    "naive": (datetime, datetime(2026, 1, 2, 3, 4, 5, 6), True, True),  # noqa: DTZ001
    "utc": (datetime, datetime(2026, 1, 2, tzinfo=UTC), True, True),
    "offset": (datetime, datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))), True, True),
    "zone": (datetime, datetime(2026, 7, 2, 12, tzinfo=ROME), True, True),
    "the hour that comes twice": (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=ROME, fold=1), True, True),
    "ordered dict": (OrderedDict, OrderedDict(a=1), True, True),
    "counter": (Counter, Counter("aab"), True, True),
    "default dict": (defaultdict, defaultdict(list, a=[1]), True, True),
    "deque": (deque, deque([1]), False, False),
    "keys": (dict, {1: "a", (1, 2): None, None: 3.5}, True, True),
    "nan key": (dict, {math.nan: 1}, True, True),
    "set": (set, {1, "a", (2,)}, True, True),
    "nan in a set": (set, {math.nan, 1}, True, True),
    "frozen set": (frozenset, frozenset({b"x"}), True, True),
    "enum": (Colour, Colour.RED, True, False),
    "str enum": (Word, Word.A, True, False),
    "flag": (Flag, Flag.ONE | Flag.TWO, True, False),
    "named tuple": (Point, Point(1, Decimal("2.50")), True, False),
    "named tuple of anything": (tuple, Point(1), False, False),
    "model": (Animal, Animal(), True, False),
    "subclass": (Dog, Dog(breed="lab"), True, False),
    "subclass for its base": (Animal, Dog(), False, False),
    "subclass in a field": (Owner, Owner(pet=Dog()), False, False),
    "union": (Dog | Owner, Owner(pet=Animal(name="x")), True, False),
    "by kind": (ByKind, Cash(coins=[Decimal("0.50")]), True, False),
    "secret": (Login, Login(token="s3cr3t"), False, False),
    "excluded": (Excluded, Excluded(raw="kept"), False, False),
    "excluded and unset": (Excluded, Excluded(), True, False),
    "private": (Private, private("v7"), False, False),
    "private and unset": (Private, private(""), True, False),
    "a private lock": (Locked, Locked(), True, False),
    "aliased": (Aliased, Aliased(A=1), True, False),
    "written otherwise": (WrittenOtherwise, WrittenOtherwise(a=1), True, False),
    "read otherwise": (ReadOtherwise, ReadOtherwise(C=1), True, False),
    "choices": (Choices, Choices(x=1), True, False),
    "an alias path": (Deep, Deep(outer={"inner": 1}), True, False),
    "computed and strict": (Strict, Strict(), True, False),
    "json": (WithJson, WithJson(parsed="[1, 2]"), True, False),
    "extra": (Open, Open(a=1, b=[1, {"c": None}]), True, False),
    "extra of another type": (Open, Open(a=1, b=(1, 2)), False, False),
    "nan in a model": (Real, Real(x=math.nan), True, False),
    "root": (Ids, Ids([1, 2]), True, False),
    "generic": (Box[Animal], Box[Animal](inside=Animal()), True, False),
    "a bag of plain values": (Bag, Bag(data={"a": [1, None, "x"]}), True, False),
    "a bag with a datetime": (Bag, Bag(data={"at": datetime(2026, 1, 1, tzinfo=UTC)}), False, False),
    "a bag with a tuple": (Bag, Bag(data={"pair": (1, 2)}), False, False),
    "a bag with a named tuple": (Bag, Bag(data={"pair": Point(1)}), False, False),
    "a bag with a key": (Bag, Bag(data={"inner": {1: "x"}}), False, False),
    "== that raises": (Stubborn, Stubborn(), False, False),
    "== that says neither": (Vague, Vague(), False, False),
    "dataclass": (Parcel, Parcel(Decimal("1.10"), datetime(2026, 1, 1, tzinfo=UTC)), True, False),
    "dataclass for its base": (Parcel, Insured(Decimal(1)), False, False),
    "slots": (Slotted, Slotted(1, ["x"]), True, False),
    "frozen": (Frozen, Frozen(2), True, False),
    "dataclass without ==": (WithoutEquality, WithoutEquality(Animal()), True, False),
    "subclass in one without ==": (WithoutEquality, WithoutEquality(Dog()), False, False),
    "generic dataclass": (Holder[Frozen], Holder(Frozen()), True, False),
    "pydantic dataclass": (Line, Line(), True, False),
    "typed dict": (Row, {"when": date(2026, 1, 2), "pet": Animal()}, True, False),
    "typed dict with a subclass": (Row, {"pet": Dog()}, False, False),
    "model for a dict": (dict, Animal(), False, False),
    "object": (object, object(), False, False),
    "complex": (complex, 1j, False, False),
}

CONTAINERS: dict[str, tuple[Any, Any]] = {
    "alone": (lambda of: of, lambda value: value),
    "list": (lambda of: list[of], lambda value: [value, value]),
    "dict": (lambda of: dict[str, of], lambda value: {"a": value, "not a name": value}),
    "tuple": (lambda of: tuple[of, ...], lambda value: (value,)),
    "pair": (lambda of: tuple[int, of], lambda value: (1, value)),
    "optional": (lambda of: of | None, lambda value: value),
    "list of lists": (lambda of: list[list[of]], lambda value: [[], [value]]),
    "dict of lists": (lambda of: dict[str, list[of]], lambda value: {"a": [value]}),
    "sequence": (lambda of: Sequence[of], lambda value: [value]),
}


def same(value, seen):
    """Tell whether *seen* is *value* to the last field, but for what may come back as the builtin that it equals."""
    if isinstance(value, BaseModel):
        return (
            type(value) is type(seen)
            and all(same(value.__dict__[name], seen.__dict__[name]) for name in value.__dict__)
            and same(value.__pydantic_extra__, seen.__pydantic_extra__)
            and _same_private(value, seen)
        )
    if is_dataclass(value) and not isinstance(value, type):
        return type(value) is type(seen) and all(
            same(getattr(value, one.name), getattr(seen, one.name)) for one in fields(value)
        )
    if isinstance(value, dict):
        return (
            isinstance(seen, dict)
            and len(value) == len(seen)
            and all(
                same(key, other) and same(value[key], seen[other])
                for key, other in zip(_sorted(value), _sorted(seen), strict=True)
            )
        )
    if isinstance(value, (list, tuple)):
        kind = type(seen) is type(value) if hasattr(value, "_fields") else isinstance(value, type(seen))
        return kind and len(value) == len(seen) and all(map(same, value, seen))
    if isinstance(value, (set, frozenset)):
        return isinstance(value, type(seen)) and all(map(same, _sorted(value), _sorted(seen)))
    if isinstance(value, SecretStr):
        return value == seen
    if isinstance(value, datetime):
        return (value.isoformat(), value.utcoffset()) == (seen.isoformat(), seen.utcoffset())
    if isinstance(value, enum.Enum):
        return value is seen
    if value != value:  # noqa: PLR0124 - NaN
        return type(value) is type(seen) and str(value) == str(seen)
    return value == seen and (isinstance(value, type(seen)) or type(seen) in {bytes, float})


def _sorted(values):
    return sorted(values, key=lambda one: (type(one).__name__, str(one)))


def _same_private(value, seen):
    mine, other = value.__pydantic_private__ or {}, seen.__pydantic_private__ or {}
    return all(type(one).__eq__ is object.__eq__ or same(one, other[name]) for name, one in mine.items())
