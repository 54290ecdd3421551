"""The default formats against the official SDK's, text for text and both ways; skipped where it is not installed."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable.batch import BatchItem, BatchResult
from powertools_durable.errors import ChildContextError, SerDesError
from powertools_durable.serdes import PassThrough, PlainJson, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove

official = pytest.importorskip("aws_durable_execution_sdk_python.serdes")
models = pytest.importorskip("aws_durable_execution_sdk_python.concurrency.models")

THEIRS, TAGGED = official.EXTENDED_TYPES_SERDES, TaggedJson()
HERE = SerDesContext("op", "arn")


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


class Rows(list):
    pass


class Moment(datetime):
    pass


Pair = namedtuple("Pair", "x y")  # noqa: PYI024 - as old code has them
ROME = ZoneInfo("Europe/Rome")

SPECIAL = [
    Text("a"),
    Number(7),
    Real(1.5),
    Rows([1, Text("b")]),
    [Number(1), Rows()],
    (Text("a"),),
    {Text("key"): Real(0.5)},
    Pair(1, 2),
    OrderedDict(b=1, a=2),
    defaultdict(list, a=[1]),
    Counter("aab"),
    Moment(2026, 1, 2, tzinfo=UTC),
    datetime(2026, 7, 1, tzinfo=ROME),
    datetime(2026, 10, 25, 2, 30, tzinfo=ROME, fold=1),
    datetime(2026, 1, 2, 3, 4, 5, 6, timezone(-timedelta(hours=1, seconds=1))),
    date.min,
    datetime.max.replace(tzinfo=UTC),
    bytearray(b"ab"),
    memoryview(b"abcd")[::2],
    memoryview(b"\0\1\2\3").cast("I"),
    UUID(int=0),
    Decimal("NaN"),
    Decimal("-0E+10"),
    -0.0,
    5e-324,
    1e308,
    2**64,
    -(10**4000),
    "\0\x7f\u2028\ud800",
    "\ud83d\ude00",
    {"": {"t": "s", "v": {"t": []}}},
    [[[[[(b"",)]]]]],
    [True, 1, 1.0, "1", None],
]


@pytest.mark.parametrize("value", SPECIAL, ids=lambda value: type(value).__name__)
def test_what_only_looks_like_a_plain_value_is_written_as_the_official_sdk_does(value):
    text, seen = prove(value, TAGGED, HERE)
    theirs = THEIRS.deserialize(THEIRS.serialize(value))
    assert text == THEIRS.serialize(value)
    assert (repr(seen), type(seen)) == (repr(theirs), type(theirs))


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.text(st.characters()).map(Text)
    | st.binary(max_size=20)
    | st.binary(max_size=20).map(bytearray)
    | st.uuids()
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["t", "v"]), inner, max_size=4)
    ),
    max_leaves=15,
)
surrogate_pairs = st.sampled_from(["\ud83d\ude00", "a\ud83d", "\ude00\ud83d"])


@given(trees | surrogate_pairs)
def test_both_write_the_same_text_and_read_the_same_from_it(value):
    text = TAGGED.serialize(value, HERE)
    assert text == THEIRS.serialize(value)
    ours, theirs = TAGGED.deserialize(text, HERE), THEIRS.deserialize(text)
    assert (repr(ours), type(ours)) == (repr(theirs), type(theirs))


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], {"a": [math.nan]}], ids=repr)
def test_numbers_that_are_none_in_json_are_read_as_the_official_sdk_writes_them(value):
    assert repr(TAGGED.deserialize(THEIRS.serialize(value), HERE)) == repr(value)


@pytest.mark.parametrize("value", [{1: "a"}, {None: 1}, {True: 1}, {1.5: 1}], ids=repr)
def test_keys_that_the_official_sdk_turns_into_text_stay_what_they_are(value):
    assert THEIRS.deserialize(THEIRS.serialize(value)) != value
    assert prove(value, TAGGED, HERE)[1] == value


@pytest.mark.parametrize("value", [{1}, frozenset(), timedelta(1), {1: 2}, math.inf], ids=repr)
def test_a_tag_of_our_own_is_an_error_there_and_never_another_value(value):
    with pytest.raises(Exception, match="Unknown type tag"):
        THEIRS.deserialize(TAGGED.serialize(value, HERE))


REASONS = [reason.value for reason in models.CompletionReason]
ERROR = models.ErrorObject("no", "ValueError", '{"a":1}', ["here|1"])


def batches(reason):
    """The same result of a fan-out, theirs and ours."""
    rows = [("SUCCEEDED", {"a": (1, b"x")}, None), ("FAILED", None, ERROR), ("STARTED", None, None)]
    theirs = [
        models.BatchItem(index, models.BatchItemStatus(status), result, error)
        for index, (status, result, error) in enumerate(rows)
    ]
    failure = ChildContextError("no", error_type="ValueError", data='{"a":1}', stack_trace=["here|1"])
    ours = [
        BatchItem(index, None, status, result, error and failure) for index, (status, result, error) in enumerate(rows)
    ]
    return models.BatchResult(theirs, models.CompletionReason(reason)), BatchResult(tuple(ours), reason)


@pytest.mark.parametrize("reason", REASONS)
def test_the_result_of_a_fan_out_is_the_same_text_and_each_reads_the_other_s(reason):
    theirs, ours = batches(reason)
    assert TAGGED.serialize(ours, HERE) == THEIRS.serialize(theirs)
    assert TAGGED.deserialize(THEIRS.serialize(theirs), HERE) == ours
    assert THEIRS.deserialize(TAGGED.serialize(ours, HERE)) == theirs


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(json_values)
def test_what_goes_to_other_functions_is_the_same_text(value):
    text = PlainJson().serialize(value, HERE)
    assert text == official.DEFAULT_JSON_SERDES.serialize(value, None)
    assert PlainJson().deserialize(text, HERE) == value


@given(st.text())
def test_an_answer_to_a_callback_is_passed_on_by_both(text):
    assert PassThrough().deserialize(text, HERE) == official.PassThroughSerDes().deserialize(text, None)


@pytest.mark.parametrize("text", ["{", '{"t":"s"}', '{"t":"zz","v":1}', '{"t":"u","v":"x"}', '{"t":"t","v":1}'])
def test_what_the_official_sdk_cannot_read_neither_do_we(text):
    with pytest.raises(Exception):  # noqa: B017, PT011 - theirs may be any
        THEIRS.deserialize(text)
    with pytest.raises(SerDesError):
        TAGGED.deserialize(text, HERE)
