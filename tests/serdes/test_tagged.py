"""The default format: docs/contributing/protocol.md#text-formats."""

from __future__ import annotations

import enum
import math
import string
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove

TAGGED = TaggedJson()
HERE = SerDesContext("op", "arn")
ID = UUID("12345678-1234-5678-1234-567812345678")
INDIA = timezone(timedelta(hours=5, minutes=30))

TEXTS = [
    (None, "null"),
    ("a", '"a"'),
    ("ä𝄞", r'"\u00e4\ud834\udd1e"'),
    (1, "1"),
    (1.5, "1.5"),
    (True, "true"),
    ([1, [2, "a", None]], '[1,[2,"a",null]]'),
    ([], "[]"),
    ((1, 2), '{"t":"t","v":[{"t":"i","v":1},{"t":"i","v":2}]}'),
    ({"a": 1}, '{"t":"m","v":{"a":{"t":"i","v":1}}}'),
    ({}, '{"t":"m","v":{}}'),
    (b"\x00\xff", '{"t":"B","v":"AP8="}'),
    (ID, '{"t":"u","v":"12345678-1234-5678-1234-567812345678"}'),
    (Decimal("1.10"), '{"t":"d","v":"1.10"}'),
    (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), '{"t":"dt","v":"2026-01-02T03:04:05.000006+00:00"}'),
    (date(2026, 1, 2), '{"t":"D","v":"2026-01-02"}'),
    ([(1,)], '{"t":"l","v":[{"t":"t","v":[{"t":"i","v":1}]}]}'),
]

OURS = [
    ({1, 3, 2}, '{"t":"xs","v":[{"t":"i","v":1},{"t":"i","v":2},{"t":"i","v":3}]}'),
    (frozenset({"a"}), '{"t":"xfs","v":[{"t":"s","v":"a"}]}'),
    (time(12, 30), '{"t":"xt","v":"12:30:00"}'),
    (timedelta(days=1, microseconds=1), '{"t":"xtd","v":86400000001}'),
    ({1: "a"}, '{"t":"xk","v":[[{"t":"i","v":1},{"t":"s","v":"a"}]]}'),
    (math.inf, '{"t":"xe","v":"inf"}'),
]


@pytest.mark.parametrize(("value", "text"), TEXTS + OURS, ids=lambda part: repr(part)[:30])
def test_a_value_is_written_like_this_and_reads_back_as_itself(value, text):
    assert TAGGED.serialize(value, HERE) == text
    seen = TAGGED.deserialize(text, HERE)
    assert (seen, type(seen)) == (value, type(value))


def test_nan_reads_back_as_nan():
    text, seen = prove([math.nan], TAGGED, HERE)
    assert math.isnan(seen[0])
    assert text == '{"t":"l","v":[{"t":"xe","v":"nan"}]}'


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int


REFUSED = [
    (object(), "an object can't be recorded by default; return something simpler, or give serdes="),
    (Point(1), "annotate the function's return type with it ('-> Point', '-> list[Point]')"),
    (Colour.RED, "a Colour can't be recorded"),
    (Level.LOW, "a Level can't be recorded"),
    ({"nested": [Point(1)]}, "a Point at result[key 1][0] can't be recorded"),
    ((n for n in ()), "return a list of what it yields"),
    (1j, "a complex can't be recorded"),
]


@pytest.mark.parametrize(
    ("value", "words"), REFUSED, ids=lambda part: part if isinstance(part, str) else type(part).__name__
)
def test_what_would_be_lost_is_refused_with_what_would_help(value, words):
    with pytest.raises(SerDesError) as caught:
        prove(value, TAGGED, HERE)
    assert words in str(caught.value)


def test_a_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(SerDesError, match="contains itself"):
        TAGGED.serialize((value,), HERE)


def test_a_number_beyond_python_s_limit_of_digits_is_refused():
    with pytest.raises(SerDesError, match="more digits than Python converts"):
        TAGGED.serialize(10**5000, HERE)


MALFORMED = [
    "",
    "{",
    '{"t":"s"}',
    '{"v":1}',
    '{"t":"zz","v":1}',
    '{"t":"i","v":"1"}',
    '{"t":"i","v":true}',
    '{"t":"u","v":"canary"}',
    '{"t":"d","v":"canary"}',
    '{"t":"dt","v":"canary"}',
    '{"t":"B","v":"*canary*"}',
    '{"t":"t","v":{}}',
    '{"t":"m","v":[]}',
    '{"t":"s","v":"canary","x":1}',
    '{"t":"s","v":"canary","t":"s"}',
    '[{"a":1}]',
    '{"t":["s"],"v":1}',
    '{"t":"br","v":{"canary":{"t":"i","v":1}}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:30])
def test_a_text_of_something_else_is_refused_and_not_shown(text):
    with pytest.raises(SerDesError) as caught:
        TAGGED.deserialize(text, HERE)
    assert "canary" not in str(caught.value)


def test_a_moment_with_z_is_read():
    assert TAGGED.deserialize('{"t":"dt","v":"2026-01-02T03:04:05Z"}', HERE) == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=UTC
    )


# -- properties ------------------------------------------------------------------------------------------------

keys = st.text(string.printable, max_size=5)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.uuids()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(INDIA))
    | st.dates()
    | st.times()
    | st.timedeltas()
)


def nested(leaves, keys):
    def wider(inner):
        return st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=4)

    return st.recursive(leaves, wider, max_leaves=15)


@given(nested(leaves, keys | st.integers()))
def test_everything_with_a_tag_reads_back_equal_and_of_the_same_type(value):
    text, seen = prove(value, TAGGED, HERE)
    assert (seen, type(seen)) == (value, type(value))
    assert TAGGED.serialize(seen, HERE) == text
    assert text.isascii()


@given(st.sets(leaves, max_size=6))
def test_a_set_is_always_written_in_the_same_order(value):
    again = set()
    again.update(sorted(value, key=repr))
    assert TAGGED.serialize(value, HERE) == TAGGED.serialize(again, HERE)
