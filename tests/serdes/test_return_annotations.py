"""Which format the return annotation of a step's function asks for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove
from powertools_durable.serdes.models import ModelSerDes, annotation_of, serdes_for, serdes_of

T = TypeVar("T")


class Payment(BaseModel):
    id: str


class Refund(BaseModel):
    id: str


@contextmanager
def timed():
    yield


def pay() -> Payment: ...


@timed()  # makes a wrapper in contextlib, where nobody knows Payment
def pay_timed() -> Payment: ...


@timed()
@timed()
def refund_timed() -> Refund: ...


def made_for(model):
    def make() -> model:
        return model(id="1")

    return make


@pytest.mark.parametrize(
    ("function", "annotation"),
    [(pay, Payment), (pay_timed, Payment), (refund_timed, Refund)],
    ids=["bare", "decorated", "decorated twice"],
)
def test_an_annotation_is_looked_up_where_it_was_written(function, annotation):
    serdes = serdes_of(function)

    assert isinstance(serdes, ModelSerDes)
    assert serdes.annotation is annotation


def test_functions_made_by_one_piece_of_code_keep_their_own_classes():
    made = [serdes_of(made_for(model)) for model in (Payment, Refund, Payment)]

    assert [serdes.annotation for serdes in made] == [Payment, Refund, Payment]


@dataclass
class Holder(Generic[T]):
    inside: T


Many = TypeAliasType("Many", list[T], type_params=(T,))
OrderId = NewType("OrderId", str)

MORE = [
    (Many[Payment], ModelSerDes),
    (Many[int], TaggedJson),
    (Annotated[int, Payment], TaggedJson),
    (Annotated[list[Payment], "note"], ModelSerDes),
    (OrderId, TaggedJson),
    (Literal["a", 1], TaggedJson),
    (T, TaggedJson),
    (type(None), TaggedJson),
    (datetime | None, TaggedJson),
    (dict[str, Any], TaggedJson),
    (dict[str, "Payment"], TaggedJson),  # a text in a bare annotation is looked up by the function it is on
    (Holder, ModelSerDes),
]


@pytest.mark.parametrize(("annotation", "cls"), MORE, ids=lambda part: str(part)[-40:])
def test_only_a_user_s_class_asks_for_plain_json(annotation, cls):
    assert isinstance(serdes_for(annotation), cls)


def forward() -> list["Payment"]: ...  # noqa: UP037
def unknown() -> OnlyForTypeCheckers: ...  # noqa: F821


@pytest.mark.parametrize(("function", "annotation"), [(forward, list[Payment]), (unknown, None), (3, None)])
def test_texts_are_looked_up_and_what_can_not_be_found_says_nothing(function, annotation):
    assert annotation_of(function) == annotation


def test_an_annotation_that_could_not_be_looked_up_is_told_so_when_it_is_missed():
    with pytest.raises(SerDesError, match="by a name that is known when the program runs"):
        prove(Payment(id="1"), serdes_of(unknown), SerDesContext("op", "arn"))


def test_a_format_is_made_once_for_each_annotation():
    assert serdes_for(list[Payment]) is serdes_for(list[Payment])
    assert serdes_for(Payment | Refund) is not serdes_for(Refund | Payment)
    assert repr(serdes_for(Payment)) == "ModelSerDes(Payment)"


def test_an_annotation_that_has_no_schema_is_refused_before_anything_runs():
    with pytest.raises(DurableConfigError, match="pydantic has no schema for"):
        serdes_for(dict[Payment, object()])
