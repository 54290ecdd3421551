"""The law of replay, for values: what code is given the first time has the types that every replay gives it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Polling, Retry, StepError, durable
from tests.properties.events import Ended, Seen
from tests.properties.invariants import check
from tests.properties.trace import observe
from tests.size import tenth

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.decimals(allow_nan=False).map(lambda number: number + 0)
    | st.dates(date(1900, 1, 1))
    | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside
    | st.timedeltas(timedelta(-9), timedelta(9))
    | st.uuids()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
    ),
    max_leaves=4,
)


@dataclass
class Parcel:
    weight: Decimal
    sent: datetime
    label: UUID


def seen_twice(handler):
    """Run a handler that suspends once; return each operation's outcomes: live, and on replay."""
    trace = observe(handler)
    assert [str(violation) for violation in check(trace)] == []
    assert trace.status == "SUCCEEDED", trace.words
    assert len([event for event in trace.events if type(event) is Ended]) >= 2
    found = {}
    for event in trace.events:
        if type(event) is Seen:
            found.setdefault((event.operation, event.call), []).append((event.value, event.error, event.words))
    return [outcomes for outcomes in found.values() if len(outcomes) > 1]


@settings(max_examples=tenth(40), derandomize=True)
@given(VALUES)
def test_a_value_is_the_same_live_and_on_replay(value):
    given_ = []

    @durable
    def handler(event, ctx):
        stepped = ctx.step(lambda: value, name="step")
        child = ctx.run_in_child_context(lambda below: value, name="child")
        batch = ctx.map(lambda below, item: below.step(lambda: [item, value], name="item"), [1], name="map")
        polled = ctx.wait_for_condition(lambda _: value, initial=None, polling=Polling(lambda _: True), name="poll")
        given_.append(repr([stepped, child, batch.results, polled]))
        ctx.wait(1)

    for outcomes in seen_twice(handler):
        assert len(set(outcomes)) == 1
    assert len(given_) == 2
    assert given_[0] == given_[1]


@settings(max_examples=tenth(40), derandomize=True)
@given(st.builds(Parcel, st.decimals(0, 99, places=2), st.datetimes(timezones=st.just(UTC)), st.uuids()))
def test_so_is_one_of_the_users_own_type(parcel):
    given_ = []

    def sent() -> Parcel:
        return parcel

    @durable
    def handler(event, ctx):
        given_.append(ctx.step(sent, name="step"))
        ctx.wait(1)

    seen_twice(handler)
    assert given_ == [parcel, parcel]


@pytest.mark.sized
@settings(max_examples=tenth(40), derandomize=True)
@given(st.text(st.characters(codec="utf-8")), st.sampled_from([ValueError, KeyError, PermissionError, TimeoutError]))
def test_so_is_an_error(words, kind):
    told = []

    def fails():
        raise kind(words)

    @durable
    def handler(event, ctx):
        for call in (
            lambda: ctx.step(fails, name="step", retry=Retry.none()),
            lambda: ctx.run_in_child_context(
                lambda below: below.step(fails, name="inner", retry=Retry.none()), name="child"
            ),
            lambda: ctx.map(lambda below, item: fails(), [1], name="map").raise_if_failed(),
        ):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the same twice
                told.append((type(error), str(error), getattr(error, "error_type", None)))
        assert issubclass(told[0][0], StepError)
        ctx.wait(1)

    seen_twice(handler)
    assert len(told) == 6
    assert told[:3] == told[3:]
