"""Defaults that change at every replay are warned of, once."""

from __future__ import annotations

import dataclasses
import os
import random
import secrets
import time
import uuid
import warnings
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, NewType

import pytest
from aws_lambda_powertools.warnings import PowertoolsUserWarning
from pydantic import BaseModel, Field, create_model
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from powertools_durable.parser.lint import warn_of_unstable_defaults


def model_with(factory):
    return create_model("Order", id=(Any, Field(default_factory=factory)), sku=(str, "x"))


def warned(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unstable_defaults(model)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    "factory",
    [
        *(datetime.now, datetime.utcnow, datetime.today, date.today, partial(datetime.now, UTC)),
        *(time.time, time.time_ns, uuid.uuid1, uuid.uuid4, os.urandom, partial(os.urandom, 8)),
        *(random.random, random.Random(1).random, partial(random.randint, 1, 6), partial(random.choice, "ab")),
        *(secrets.token_hex, secrets.token_urlsafe, partial(secrets.randbelow, 6), partial(secrets.choice, "ab")),
    ],
    ids=lambda factory: getattr(factory, "func", factory).__qualname__,
)
def test_a_factory_of_time_or_chance_is_warned_of(factory):
    model = model_with(factory)
    with pytest.warns(PowertoolsUserWarning, match=r"Order\.id: .*every replay.*ctx\.uuid4"):
        warn_of_unstable_defaults(model)


@pytest.mark.parametrize("factory", [list, dict, lambda: 1, partial(int, "1"), date(2026, 1, 1).isoformat])
def test_a_stable_factory_is_not(factory):
    assert warned(model_with(factory)) == []


def test_a_warning_comes_once_for_a_class_and_names_all_its_fields():
    class Ticket(BaseModel):
        id: uuid.UUID = Field(default_factory=uuid.uuid4)
        at: datetime = Field(default_factory=datetime.now)

    first = warned(Ticket)
    assert len(first) == 1
    assert first[0].startswith("Ticket.id, .at: ")
    assert warned(Ticket) == warned(list[Ticket]) == []


class Item(TypedDict):
    part: Part


@dataclasses.dataclass
class Box:
    items: list[Item]
    again: Box | None = None


@dataclasses.dataclass
class Part:
    id: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)


Id = NewType("Id", Box)


class Order(BaseModel):
    boxes: dict[str, Annotated[Id | None, "note"]]


def test_it_is_found_however_deep_it_stands():
    assert [text.partition(":")[0] for text in warned(Annotated[list[Order], "note"])] == ["Part.id"]


def test_a_pydantic_dataclass_is_looked_into():
    @pydantic_dataclass
    class Ticket:
        id: uuid.UUID = Field(default_factory=uuid.uuid4)

    assert len(warned(Ticket)) == 1


@pytest.mark.parametrize("model", [Any, dict, None, int | str, 5, list["Nowhere"]])  # noqa: F821
def test_what_has_no_fields_is_left_alone(model):
    assert warned(model) == []


def test_a_class_whose_annotations_lead_nowhere_is_left_alone():
    @dataclasses.dataclass
    class Lost:
        part: Nowhere  # noqa: F821

    assert warned(Lost) == []
