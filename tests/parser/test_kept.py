"""What has no JSON text of its own is refused wherever it stands, also where pydantic writes something else for it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_serializer
from pydantic import dataclasses as pydantic_dataclasses
from typing_extensions import TypedDict

from powertools_durable.errors import SerDesError
from powertools_durable.parser.result_writer import ResultWriter
from powertools_durable.parser.writing import PAYLOAD


class Model(BaseModel):
    a: Any


class Outer(BaseModel):
    inner: Model


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@dataclass
class Plain:
    a: Any


@pydantic_dataclasses.dataclass
class Checked:
    a: Any


class Typed(TypedDict):
    a: Any


class Key(Enum):
    ONE = "1"


AROUND = {
    "itself": (lambda bad: bad, Any, ""),
    "a dict": (lambda bad: {"a": bad}, dict[str, Any], "[key 1]"),
    "a list": (lambda bad: [bad], list[Any], "[0]"),
    "a tuple": (lambda bad: (bad,), tuple[Any, ...], "[0]"),
    "a TypedDict": (lambda bad: {"a": bad}, Typed, "['a']"),
    "a model": (lambda bad: Model(a=bad), Model, ".a"),
    "a list in a model": (lambda bad: Model(a=[0, bad]), Model, ".a[1]"),
    "a dict in a model": (lambda bad: Model(a={"b": bad}), Model, ".a[key 1]"),
    "a model in a model": (lambda bad: Outer(inner=Model(a=bad)), Outer, ".inner.a"),
    "a model in Any": (lambda bad: Model(a=Model(a=bad)), Model, ".a.a"),
    "a list of models": (lambda bad: [Model(a=1), Model(a=bad)], list[Model], "[1].a"),
    "a dict of models": (lambda bad: {"q": Model(a=bad)}, dict[str, Model], "[key 1].a"),
    "what is extra": (lambda bad: Open(z=bad), Open, "[key 1]"),
    "a dataclass": (Plain, Plain, ".a"),
    "a list of dataclasses": (lambda bad: [Plain(bad)], list[Plain], "[0].a"),
    "a dataclass of pydantic's": (Checked, Checked, ".a"),
}


def place_in(path, *, is_typed):
    """Return *path* as it is shown: only an annotation makes a key of a dict the name of a field."""
    return path if is_typed else path.replace("['a']", "[key 1]")


NUMBERS = [math.nan, math.inf, -math.inf]
TWINS = [{1: 1, "1": 2}, {True: 1, "true": 2}, {None: 1, "null": 2}, {1.5: 1, "1.5": 2}, {Decimal(1): 1, "1": 2}]


@pytest.mark.parametrize("is_typed", [True, False], ids=["annotated", "not annotated"])
@pytest.mark.parametrize("bad", NUMBERS, ids=str)
@pytest.mark.parametrize(("around", "annotation", "path"), AROUND.values(), ids=AROUND)
def test_no_number_becomes_null(around, annotation, path, bad, is_typed):
    with pytest.raises(SerDesError) as caught:
        ResultWriter(annotation if is_typed else Any).write(around(bad))
    assert f"the float at result{place_in(path, is_typed=is_typed)} is NaN or infinite; send null, or text" in str(
        caught.value
    )


@pytest.mark.parametrize("is_typed", [True, False], ids=["annotated", "not annotated"])
@pytest.mark.parametrize("bad", [*TWINS, {Key.ONE: 1, "1": 2}], ids=str)
@pytest.mark.parametrize(("around", "annotation", "path"), AROUND.values(), ids=AROUND)
def test_no_key_is_written_twice(around, annotation, path, bad, is_typed):
    with pytest.raises(SerDesError) as caught:
        ResultWriter(annotation if is_typed else Any).write(around(bad))
    assert f"two keys of result{place_in(path, is_typed=is_typed)} have the same JSON text" in str(caught.value)


@pytest.mark.parametrize("bad", [*NUMBERS, *TWINS], ids=str)
@pytest.mark.parametrize(("around", "annotation", "path"), AROUND.values(), ids=AROUND)
def test_nor_in_a_payload_for_another_function(around, annotation, path, bad):
    with pytest.raises(SerDesError, match="payload is not JSON: .*payload") as caught:
        PAYLOAD.serialize(around(bad), None)
    assert f" payload{place_in(path, is_typed=False)} " in str(caught.value)


class Cleans(BaseModel):
    a: Any

    @field_serializer("a")
    def write(self, value):
        return None if isinstance(value, float) and math.isnan(value) else value


class SaysNull(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="null")
    a: Any


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Cleans(a=math.nan), {"a": None}),
        (SaysNull(a=math.nan), {"a": None}),
        (Model(a=None), {"a": None}),
        (Model(a={1: None, "2": 1.5}), {"a": {"1": None, "2": 1.5}}),
        (Model(a=[{"x": 1}, {"x": None}]), {"a": [{"x": 1}, {"x": None}]}),
    ],
    ids=str,
)
def test_what_the_author_says_is_written(value, written, annotated):
    assert json.loads(ResultWriter(type(value) if annotated else Any).write(value)) == written
