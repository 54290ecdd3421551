"""What is written in one pass is what two passes write, and comes back equal; the rest is left to the proof."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, defaultdict
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable.batch import BatchItem, BatchResult
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.serdes.exact import exact_text
from powertools_durable.serdes.tagging import tagged_text

HERE = SerDesContext("op", "arn")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=20,
)


class Colour(enum.StrEnum):
    RED = "red"


class Word(str):
    __slots__ = ()


@given(VALUES)
def test_one_pass_writes_what_two_write_and_every_part_comes_back_with_its_class(value):
    text = exact_text(value)
    if text is None:
        assert "\\ud" in json.dumps(value), "of exact classes, and not written"
        return
    if text.startswith('{"t"'):
        assert text == tagged_text(value)
    seen = TaggedJson().deserialize(text, HERE)
    assert repr(seen) == repr(value)


@given(st.lists(VALUES, max_size=4))
def test_so_it_writes_the_result_of_a_fan_out(values):
    items = [BatchItem(index, f"i{index}", "SUCCEEDED", value) for index, value in enumerate(values)]
    items.append(BatchItem(len(values), None, "STARTED"))
    result = BatchResult(tuple(items), "MIN_SUCCESSFUL_REACHED")
    text = exact_text(result)
    assert text == tagged_text(result) or (text is None and "\\ud" in json.dumps(values))


@pytest.mark.parametrize(
    "value",
    [
        BatchResult((BatchItem(0, None, "FAILED", error=ValueError("no")),), "ALL_COMPLETED"),
        BatchResult((BatchItem(True, None, "SUCCEEDED", 1),), "ALL_COMPLETED"),
        OrderedDict(a=1),
        defaultdict(int, a=1),
        {"a": Word("b")},
        {Word("a"): 1},
        {1: "a"},
        {"a": Colour.RED},
        [{"a": math.nan}],
        [{"a": -math.inf}],
        {"\ud83d\ude00": 1},
        {"a": Decimal(1)},
        (date(2026, 1, 1),),
        {"a": {1, 2}},
        {"a": 10**5000},
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_anything_else_it_says_nothing(value):
    assert exact_text(value) is None


def test_nor_of_what_is_nested_so_deeply_that_a_reader_might_give_up():
    value: list = [{}]
    for _ in range(200):
        value = [value, {}]
    assert exact_text(value) is None
