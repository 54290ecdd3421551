"""An annotation is a promise, kept or refused alike on the first run and on every replay."""

from __future__ import annotations

import abc
import collections
import math
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, NoReturn, Protocol, TypeVar

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from powertools_durable import Polling, Retry, durable
from powertools_durable._protocol.operation import ContextDetails
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import ModelSerDes, PlainJson
from powertools_durable.serdes.promises import classes_of, fits, named
from powertools_durable.testing import Simulator
from tests.serdes.places import PLACES, outcomes, returning, wrappings

T = TypeVar("T")


class Order(BaseModel):
    number: str = "7"


class Sized(Protocol):
    size: int


class Abstract(abc.ABC):
    @abc.abstractmethod
    def size(self): ...


class Odd(type):
    def __instancecheck__(cls, instance):
        raise RuntimeError("no")


class Strange(metaclass=Odd):
    pass


OrderId = NewType("OrderId", str)
Alias = TypeAliasType("Alias", list[T] | None, type_params=(T,))
Loop = TypeAliasType("Loop", "Loop")

FITS = [
    (str, "a"),
    (int, 1),
    (int, True),
    (float, 1),
    (float, math.nan),
    (bool, False),
    (None, None),
    (type(None), None),
    (bytes, bytearray(b"")),
    (list, [1]),
    (list[int], ["not looked at"]),
    (dict[str, int], {1: 2}),
    (tuple[int, ...], ("a",)),
    (set[int], {"a"}),
    (int | None, None),
    (typing.Optional[int], 3),  # noqa: UP045 - the old way
    (int | str, "a"),
    (typing.List[int], []),  # noqa: UP006
    (Sequence[int], (1,)),
    (Iterable[int], "text"),
    (Mapping[str, int], {}),
    (date, datetime(2026, 1, 1)),  # noqa: DTZ001
    (OrderId, "x"),
    (Annotated[int, "note"], 5),
    (Literal["a", 1], "b"),
    (Alias[int], []),
    (collections.OrderedDict, collections.OrderedDict()),
    (Any, object()),
    (object, "x"),
    (T, "x"),
    (NoReturn, "x"),
    (typing.Never, "x"),
    (Sized, "x"),
    (int | T, "x"),
    (Loop, "x"),
    ("Unknown", "x"),
    (Strange, "x"),
]
BREAKS = [
    (int, "7", "int", "a str"),
    (str, 7, "str", "an int"),
    (float, "1", "float", "a str"),
    (float, Decimal(1), "float", "a Decimal"),
    (bool, 1, "bool", "an int"),
    (int, None, "int", "None"),
    (type(None), 5, "None", "an int"),
    (list, (1,), "list", "a tuple"),
    (list[int], None, "list[int]", "None"),
    (dict[str, int], [1], "dict[str, int]", "a list"),
    (tuple[int, ...], [1], "tuple[int, ...]", "a list"),
    (int | None, "x", "int | None", "a str"),
    (datetime, date(2026, 1, 1), "datetime", "a date"),
    (Sequence[int], {1}, "Sequence[int]", "a set"),
    (OrderId, 5, "serdes.test_promises.OrderId", "an int"),
    (Literal["a"], 5, "Literal['a']", "an int"),
    (Abstract, {}, "Abstract", "a dict"),
    (Order, None, "Order", "None"),
    (Order, {"number": "7"}, "Order", "a dict"),
    (list[Order], Order(), "list[Order]", "an Order"),
    (list[Order], None, "list[Order]", "None"),
    (dict[str, Order], {"a": None}, "dict[str, Order]", "a dict"),
]


@pytest.mark.only("def", "there is no handler")
@pytest.mark.parametrize(("annotation", "value"), FITS, ids=[f"{n} {named(row[0])}" for n, row in enumerate(FITS)])
def test_what_fits_its_annotation(annotation, value):
    classes = classes_of(annotation)
    assert classes is None or fits(value, classes)


@pytest.mark.only("def", "there is no handler")
@pytest.mark.parametrize(("annotation", "value"), [row[:2] for row in BREAKS[:-1]], ids=[row[2] for row in BREAKS[:-1]])
def test_what_does_not_fit_its_annotation(annotation, value):
    classes = classes_of(annotation)
    assert classes is not None
    assert not fits(value, classes)


@pytest.mark.sampled(80)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("annotation", "value", "shown", "what"), BREAKS, ids=[f"{b[2]}, {b[3]}" for b in BREAKS])
def test_what_breaks_the_promise_is_refused_by_the_operation_alike_every_time(place, annotation, value, shown, what):
    seen, run = outcomes(PLACES[place], returning(lambda: value, annotation))
    live, *replayed = seen
    assert live[:2] == ("raised", SerDesError), live
    assert replayed, run.error
    assert set(replayed) == {live}
    assert "'it' (#" in live[2]
    if value != {"a": None}:
        assert f" is annotated -> {shown.removeprefix('serdes.test_promises.')}" in live[2] or shown in live[2]
        assert f" but returned {what}" in live[2]
    assert "(at places.py:" in live[2]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("wrapping", ["plain", "encrypted", "a file", "encrypted in a file"])
@pytest.mark.parametrize("place", PLACES)
def test_so_it_is_whatever_is_around_the_format(place, wrapping, tmp_path):
    serdes = wrappings(tmp_path)[wrapping]
    for annotation, value in [(int, "7"), (Order, None), (list[Order], [None])]:
        seen, _ = outcomes(PLACES[place], returning(lambda value=value: value, annotation), serdes)
        assert seen[0][:2] == ("raised", SerDesError), seen
        assert len(seen) >= 2
        assert set(seen) == {seen[0]}
    for annotation, value in [(int, 7), (Order, Order(number="8")), (list[Order], [Order()]), (Order | None, None)]:
        seen, _ = outcomes(PLACES[place], returning(lambda value=value: value, annotation), serdes)
        assert [one[:2] for one in seen] == [("returned", value)] * len(seen)
        assert len(seen) >= 2


def test_a_format_of_the_user_s_is_trusted():
    """It reads back something else, and is asked nothing about it; also a model's, given by hand."""

    class Login(BaseModel):
        token: str

    class Upper:
        def serialize(self, value, context):
            return str(value).upper()

        def deserialize(self, text, context):
            return text

    def price() -> int:
        return "seven"

    seen = []

    @durable
    def handler(event, ctx):
        seen.append(ctx.step(price, serdes=Upper()))
        seen.append(ctx.step(lambda: {"token": "x", "more": 1}, name="login", serdes=Loose()))
        seen.append(ctx.step(lambda: (1, 2), name="pair", serdes=PlainJson()))
        ctx.wait(60)

    class Loose(ModelSerDes):
        def __init__(self):
            super().__init__(dict[str, Any])

    assert Simulator(handler).start({}).finish().status == "SUCCEEDED"
    assert seen == ["SEVEN", {"token": "x", "more": 1}, [1, 2]] * 2


@pytest.mark.parametrize("returns", [Order, list[Order], int, dict], ids=str)
@pytest.mark.parametrize("call", ["wait_for_callback", "create_callback"])
@pytest.mark.parametrize("wrapping", ["plain", "encrypted"])
def test_a_callback_answered_without_a_payload_is_none_every_time(call, returns, wrapping, tmp_path):
    seen = []

    @durable(serdes=wrappings(tmp_path)[wrapping])
    def handler(event, ctx):
        if call == "wait_for_callback":
            seen.append(ctx.wait_for_callback(lambda _: None, name="cb", returns=returns))
        else:
            seen.append(ctx.create_callback(name="cb", returns=returns).result())
        ctx.wait(60)

    run = Simulator(handler).start({}).finish()
    run.callback("cb").succeed()
    assert run.finish().status == "SUCCEEDED", run.error
    assert seen == [None, None]


def test_an_initial_state_is_no_result_of_the_check():
    states = []

    def check(state) -> Order:
        states.append(state)
        return Order(number="8")

    @durable
    def handler(event, ctx):
        for initial in (None, Order()):
            ctx.wait_for_condition(check, initial=initial, polling=Polling(lambda _: True))

        def counting(state) -> int:
            states.append(state)
            return 1

        ctx.wait_for_condition(counting, initial="none yet", polling=Polling(lambda _: True))

    assert Simulator(handler).start({}).finish().status == "SUCCEEDED"
    assert states == [None, Order(), "none yet"]


@pytest.mark.parametrize("call", ["map", "parallel"])
@pytest.mark.parametrize("returns", [None, Order], ids=["tagged", "typed"])
def test_the_record_of_a_fan_out_that_succeeded_without_a_text_is_refused(call, returns):
    from dataclasses import replace

    from powertools_durable._protocol.operation import OperationType
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable.serdes.batch_format import batch_serdes
    from powertools_durable.serdes.models import serdes_for
    from tests.kit import S, engine, record

    found = record(OperationType.CONTEXT, S.SUCCEEDED, "fan", context_details=ContextDetails())
    found = replace(found, sub_type="Map" if call == "map" else "Parallel")
    handle = OperationHandle(engine(found), found.id, found.type, found.sub_type, "fan", parent_id=None, number=1)
    with pytest.raises(SerDesError, match=r"context 'fan' \(#1\): its record succeeded without a text"):
        handle.decode(batch_serdes([serdes_for(returns)], ["a"], str))

    class Nothing:
        def serialize(self, value, context):
            return None

        def deserialize(self, text, context):
            raise AssertionError

    assert handle.decode(Nothing()) is None


def test_an_annotation_is_shown_as_it_is_written():
    assert named(dict[str, list[Order]] | None) == "dict[str, list[Order]] | None"
    assert named(Callable[..., int])
    assert named(None) == "None"


def test_a_function_that_returns_nothing_is_held_to_it():
    def notify() -> None:
        return "sent"

    @durable
    def handler(event, ctx):
        ctx.step(notify, retry=Retry.none())

    run = Simulator(handler).start({}).finish()
    assert "step 'notify' (#1) is annotated -> None but returned a str" in run.error.error_message


def test_what_is_not_finished_is_told_so_whatever_was_promised():
    def rows() -> list[int]:
        yield 1

    @durable
    def handler(event, ctx):
        ctx.step(rows, retry=Retry.none())

    run = Simulator(handler).start({}).finish()
    assert "it is not a result yet" in run.error.error_message
