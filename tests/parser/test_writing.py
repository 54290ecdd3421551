"""Values as JSON text for somebody else: the same in every place that writes such text."""

from __future__ import annotations

import enum
import json
import threading
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, computed_field, field_serializer
from pydantic.dataclasses import dataclass as pydantic_dataclass

from powertools_durable import DurableContext, durable
from powertools_durable.errors import DurableError
from powertools_durable.local import LocalRunner
from powertools_durable.parser.result_writer import ResultWriter
from powertools_durable.testing import Simulator

CANARY = "canary-5e1d"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Color(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 2


class Order(BaseModel):
    number: int = Field(alias="orderNumber")
    price: Decimal = Decimal("1.10")

    @computed_field
    @property
    def label(self) -> str:
        return f"#{self.number}"


@dataclass
class Line:
    sku: Annotated[str, Field(alias="stockKeepingUnit")]
    order: Order
    at: datetime = NOON


@pydantic_dataclass
class Checked:
    key: UUID
    day: Annotated[date, Field(alias="onDay")] = date(2026, 1, 1)


class Pair(NamedTuple):
    left: Decimal
    right: Order


class Orders(RootModel[list[Order]]):
    pass


ORDER = Order(orderNumber=1)
WRITTEN = {"orderNumber": 1, "price": "1.10", "label": "#1"}
VALUES = {
    "plain": ({"a": [1, 1.5, None, True, "é"]}, {"a": [1, 1.5, None, True, "é"]}),
    "model": (ORDER, WRITTEN),
    "dict of model": ({"order": ORDER}, {"order": WRITTEN}),
    "list of models": ([ORDER, [ORDER]], [WRITTEN, [WRITTEN]]),
    "root model": ({"all": Orders([ORDER])}, {"all": [WRITTEN]}),
    "Decimal": ({"Id": Decimal(101)}, {"Id": "101"}),
    "moments": (
        {"at": NOON, "on": [date(2026, 1, 2)], "t": (time(1, 2), timedelta(hours=1))},
        {"at": "2026-11-24T12:00:00Z", "on": ["2026-01-02"], "t": ["01:02:00", "PT1H"]},
    ),
    "UUID": ([{"id": UUID(int=1)}], [{"id": str(UUID(int=1))}]),
    "enums": ({"a": [Color.RED, Size.BIG]}, {"a": ["red", 2]}),
    "dataclass": (
        {"line": Line("a", ORDER)},
        {"line": {"stockKeepingUnit": "a", "order": WRITTEN, "at": "2026-11-24T12:00:00Z"}},
    ),
    "dataclass at the top": (
        Line("a", ORDER),
        {"stockKeepingUnit": "a", "order": WRITTEN, "at": "2026-11-24T12:00:00Z"},
    ),
    "pydantic's dataclass": ([Checked(UUID(int=2))], [{"key": str(UUID(int=2)), "onDay": "2026-01-01"}]),
    "tuple, named tuple": (("a", Pair(Decimal(1), ORDER)), ["a", ["1", WRITTEN]]),
    "set": ({"s": {Color.RED}, "f": frozenset({UUID(int=3)})}, {"s": ["red"], "f": [str(UUID(int=3))]}),
    "kinds of dict": (
        [OrderedDict(a=ORDER), Counter(b=2), defaultdict(list, c=[NOON])],
        [{"a": WRITTEN}, {"b": 2}, {"c": ["2026-11-24T12:00:00Z"]}],
    ),
    "keys": (
        {
            "by id": {UUID(int=4): ORDER},
            "by color": {Color.RED: 1},
            "by day": {date(2026, 1, 3): Decimal(2)},
            "n": {1: 2},
        },
        {"by id": {str(UUID(int=4)): WRITTEN}, "by color": {"red": 1}, "by day": {"2026-01-03": "2"}, "n": {"1": 2}},
    ),
}


class Unwritable(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    lock: Any = None
    name: str = CANARY


@dataclass
class Holder:
    order: Order
    thread: Any = field(default_factory=threading.Event)
    secret: str = CANARY


class Refuses(BaseModel):
    x: str = CANARY

    @field_serializer("x")
    def write(self, value):
        raise RuntimeError(value)


class Rate(BaseModel):
    value: float | None


LOOP: list[Any] = []
LOOP.append({"again": LOOP})
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]

# What is refused, its place below the root, and its class or the reason.
REFUSED = {
    "object": ({"pets": [1, {"breed": object(), "x": CANARY}]}, "[key 1][1][key 1]", "Object of type object"),
    "bytes": ([CANARY, b"canary-5e1d"], "[1]", "Object of type bytes"),
    "class": ({"a": Order}, "[key 1]", "The class Order, and not an object of it,"),
    "in a model": ({"m": Unwritable(lock=threading.Event())}, "[key 1].lock", "Object of type threading.Event"),
    "in a list in a model": (Unwritable(lock=[1, object()]), ".lock[1]", "Object of type object"),
    "in a dataclass": ([Holder(ORDER)], "[0].thread", "Object of type threading.Event"),
    "a serializer that raises": ({"r": Refuses()}, "[key 1]", "Refuses at {}: one of its fields or serializers raised"),
    "NaN": ({"a": [0.5, float("nan")]}, "[key 1][1]", "NaN or infinite"),
    "NaN in a dataclass": (Holder(ORDER, thread=float("inf")), ".thread", "NaN or infinite"),
    "NaN in a model": ([Rate(value=float("nan"))], "[0].value", "NaN or infinite"),
    "too many digits": ({"n": 10**5000}, "[key 1]", "more digits"),
    "a tuple as key": ({"a": {(1, CANARY): 3}}, "[key 1]", "of type tuple: keys are text"),
    "two keys, one text": ({"a": {UUID(int=1): 1, str(UUID(int=1)): 2}}, "[key 1]", "two keys"),
    "a key that is data": ({"a": {f"{CANARY}@example.org": {1j}}}, "[key 1][key 1][0]", "Object of type complex"),
    "itself": (LOOP, "[0][key 1]", "Circular reference"),
    "too deep": (DEEP, "", "nested too deeply"),
}


# -- the places that write such text: each takes a value, and returns what arrives on the other side ----------------


def as_result(value):
    return json.loads(ResultWriter().write(value))


def as_result_of_a_run(value):
    @durable
    def handler(event, ctx: DurableContext):
        return value

    run = Simulator(handler).start().finish()
    assert run.error is None, run.error.error_message
    return run.result


def as_typed_result(value):
    return json.loads(ResultWriter(dict[str, Any] | list[Any] | Any).write(value))


def as_payload(value):
    @durable
    def handler(event, ctx: DurableContext):
        return {"answer": ctx.invoke("other", value, name="call")}

    run = Simulator(handler, functions={"other": lambda event: event}).start().finish()
    assert run.error is None, run.error.error_message
    return run.result["answer"]


@durable
def echo(event, ctx: DurableContext):
    return {"event": event}


def as_event(value):
    return Simulator(echo).start(value).finish().result["event"]


def as_local_event(value):
    with TemporaryDirectory() as folder:
        runner = LocalRunner(echo, Path(folder) / "store.sqlite")
        try:
            return runner.run(value, name="one").result["event"]
        finally:
            runner.store.close()


def as_local_answer(value):
    with TemporaryDirectory() as folder:
        runner = LocalRunner(asks, Path(folder) / "store.sqlite")
        try:
            one = runner.run(None, name="one", wait=False)
            runner.executions.callback("ask").succeed(value)
            return json.loads(runner.resume(one.id).result["answer"])
        finally:
            runner.store.close()


@durable
def asks(event, ctx: DurableContext):
    return {"answer": ctx.create_callback(name="ask").result()}


def as_answer(value):
    run = Simulator(asks).start()
    run.callback("ask").succeed(value)
    return json.loads(run.finish().result["answer"])


PLACES = {
    "result": as_result,
    "result of a run": as_result_of_a_run,
    "payload": as_payload,
    "event": as_event,
    "local event": as_local_event,
    "answer": as_answer,
    "local answer": as_local_answer,
}
EVERYWHERE = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@EVERYWHERE
@pytest.mark.parametrize(("value", "written"), VALUES.values(), ids=VALUES)
def test_what_pydantic_writes_may_stand_at_any_depth(place, value, written):
    assert place(value) == written


@EVERYWHERE
@pytest.mark.parametrize(("value", "path", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_json_is_refused_by_place_and_class_and_not_shown(place, value, path, reason):
    with pytest.raises((DurableError, AssertionError)) as caught:
        place(value)
    message = str(caught.value).partition("\nassert ")[0]
    root = {
        "as_payload": "payload",
        "as_event": "event",
        "as_local_event": "event",
        "as_answer": "answer",
        "as_local_answer": "answer",
    }
    full = root.get(place.__name__, "result") + path
    assert reason.format(full) in message
    if path:
        assert full in message
    assert CANARY not in message


# Inside ``Any`` pydantic itself does not look for the aliases of a plain dataclass.
TYPED = {name: case for name, case in VALUES.items() if not name.startswith("dataclass")}


@pytest.mark.parametrize(("value", "written"), TYPED.values(), ids=TYPED)
def test_a_typed_result_is_written_alike(value, written):
    assert as_typed_result(value) == written


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        REFUSED[name]
        for name in ("object", "in a model", "in a dataclass", "a serializer that raises", "NaN", "NaN in a model")
    ],
)
def test_a_typed_result_is_refused_alike(value, path, reason):
    with pytest.raises(DurableError) as caught:
        as_typed_result(value)
    assert reason.format(f"result{path}") in str(caught.value)
    assert f"result{path}" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_refusal_of_a_payload_names_the_operation_and_records_nothing():
    @durable
    def handler(event, ctx: DurableContext):
        ctx.invoke("other", {"order": {"lock": threading.Event()}}, name="call")

    run = Simulator(handler).start()
    assert run.error.error_message.startswith(
        "invoke 'call' (#1): the payload is not JSON: Object of type threading.Event"
    )
    assert "payload[key 1][key 1]" in run.error.error_message
    assert "payload_serdes=" in run.error.error_message
    assert list(run.operations) == []


def test_a_number_that_pydantic_would_write_as_null_is_no_silent_null():
    class Quoted(BaseModel):
        model_config = ConfigDict(ser_json_inf_nan="strings")
        value: float

    adapter = TypeAdapter(Rate)
    assert ResultWriter(adapter).write(Rate(value=None)) == '{"value":null}'
    assert ResultWriter(Quoted).write(Quoted(value=float("nan"))) == '{"value":"NaN"}'
    assert as_payload({"q": Quoted(value=float("nan"))}) == {"q": {"value": "NaN"}}
    with pytest.raises(DurableError, match=r"the float at result\.value is NaN"):
        ResultWriter(adapter).write(Rate(value=float("nan")))


def test_a_model_is_written_as_compactly_as_pydantic_does_and_a_lone_surrogate_is_escaped():
    class Name(BaseModel):
        text: str

    run = Simulator(asks).start()
    run.callback("ask").succeed(Name(text="é"))
    assert run.finish().result == {"answer": '{"text":"é"}'}
    assert as_payload(Name(text="\ud800")) == {"text": "\ud800"}
