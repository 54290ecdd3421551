"""What a handler returns becomes JSON text."""

from __future__ import annotations

import enum
import json
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, field_serializer

from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.parser.result_writer import ResultWriter

CANARY = "CANARY"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Color(enum.Enum):
    RED = "red"


class Receipt(BaseModel):
    number: int = Field(alias="receiptNumber")
    paid: Decimal = Decimal(0)


@dataclass
class Line:
    sku: str
    receipt: Receipt | None = None


class Broken(BaseModel):
    x: int = 1

    @field_serializer("x")
    def write(self, value):
        raise RuntimeError(CANARY)


@given(JSON)
def test_plain_json_comes_out_as_json_dumps_writes_it(value):
    assert ResultWriter().write(value) == json.dumps(value)


def test_none_is_null_with_and_without_an_annotation():
    assert [ResultWriter(output).write(None) for output in (Any, dict, None, Receipt | None)] == ["null"] * 4


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Receipt(receiptNumber=1, paid="1.50"), {"receiptNumber": 1, "paid": "1.50"}),
        (Line("a", Receipt(receiptNumber=1)), {"sku": "a", "receipt": {"receiptNumber": 1, "paid": "0"}}),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (Decimal("1.10"), "1.10"),
        (datetime(2026, 11, 24, tzinfo=UTC), "2026-11-24T00:00:00Z"),
        (date(2026, 11, 24), "2026-11-24"),
        (Color.RED, "red"),
        ({1}, [1]),
        ((1, 2), [1, 2]),
    ],
)
def test_values_of_known_classes_may_stand_anywhere_in_an_unannotated_result(value, written):
    assert json.loads(ResultWriter().write(value)) == written
    assert json.loads(ResultWriter(dict[str, Any]).write({"a": [value]})) == {"a": [written]}


@pytest.mark.parametrize(
    "value",
    [object(), (n for n in ()), lambda: CANARY, b"x", type, 1j],
    ids=["object", "generator", "function", "bytes", "class", "complex"],
)
def test_an_unknown_object_is_refused_by_type_with_what_to_do(value):
    with pytest.raises(SerDesError, match=rf"{type(value).__name__}.*Annotate"):
        ResultWriter().write([value])


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [{"a": float("-inf")}], Line("a", float("nan")), [10**5000], {(1, 2): 3}],
    ids=["NaN", "infinity", "inside", "in a dataclass", "too many digits", "a tuple as key"],
)
def test_what_json_can_not_say_is_refused(value):
    with pytest.raises(SerDesError, match="is not JSON"):
        ResultWriter().write(value)


def test_a_result_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(SerDesError, match="Circular"):
        ResultWriter().write(value)


def test_a_result_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(SerDesError, match="nested too deeply"):
        ResultWriter().write(value)
    while value:  # take it apart by hand
        value = value[0]


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (Receipt, Receipt(receiptNumber=1, paid="1.50")),
        (list[Receipt], [Receipt(receiptNumber=1)]),
        (Line, Line("a", Receipt(receiptNumber=2))),
        (Receipt | None, None),
        (TypeAdapter(dict[str, UUID]), {"a": UUID(int=1)}),
        (dict[int, Color], {1: Color.RED}),
        (str, "text"),
    ],
)
def test_an_annotated_result_is_read_back_by_its_annotation(output, value):
    adapter = output if isinstance(output, TypeAdapter) else TypeAdapter(output)
    assert adapter.validate_json(ResultWriter(output).write(value)) == value


def test_a_dict_that_fits_the_annotated_model_is_a_result_too():
    assert json.loads(ResultWriter(Receipt).write({"receiptNumber": "7"})) == {"receiptNumber": 7, "paid": "0"}


def damaged():
    receipt = Receipt(receiptNumber=1)
    receipt.number = CANARY
    return receipt


@pytest.mark.parametrize(
    ("output", "value", "named"),
    [
        pytest.param(Receipt, {"receiptNumber": CANARY}, r"does not fit Receipt: receiptNumber \(int_", id="misfit"),
        pytest.param(None, {"a": CANARY}, r"does not fit None: payload \(none_required\)", id="-> None"),
        pytest.param(Receipt, damaged(), "can't be written as Receipt", id="a damaged model"),
        pytest.param(Broken, Broken(), "RuntimeError|PydanticSerializationError", id="a broken serializer"),
        pytest.param(Any, Broken(), "RuntimeError|PydanticSerializationError", id="the same, not annotated"),
        pytest.param(str, "\ud800", "str", id="lone surrogate"),
    ],
)
def test_a_result_that_does_not_fit_is_refused_without_showing_it(output, value, named):
    with pytest.raises(SerDesError, match=named) as caught:
        ResultWriter(output).write(value)
    assert CANARY not in f"{caught.value}"
    assert caught.value.__context__ is None


def test_an_output_without_a_schema_is_refused_at_decoration():
    with pytest.raises(DurableConfigError, match="the output Thread"):
        ResultWriter(threading.Thread)
