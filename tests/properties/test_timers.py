"""The law of timers: nothing goes on before its time, whatever is asked for and however far clocks are apart."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Polling, Retry, current_step, durable
from tests.properties.events import BodyBegan, BodyEnded, Requested, Seen
from tests.properties.faults import FaultPlan
from tests.properties.invariants import check
from tests.properties.trace import observe
from tests.size import tenth


def spans(least):
    """Spans from *least* seconds on, in seconds or as a timedelta."""
    seconds = st.floats(least, 100_000) | st.integers(1, 400)
    return seconds | seconds.map(lambda seconds: timedelta(seconds=seconds))


WAITS, DELAYS = spans(1), spans(0.001)  # the service knows no shorter wait; a shorter delay is a second
SKEWS = st.sampled_from([0.0, 2.0, -2.0])
PROFILE = settings(max_examples=tenth(60), derandomize=True)


def in_seconds(span):
    return span.total_seconds() if isinstance(span, timedelta) else span


def traced(handler, skew):
    trace = observe(handler, faults=FaultPlan(skew=skew))
    assert (trace.status, [str(violation) for violation in check(trace)]) == ("SUCCEEDED", [])
    return trace


def of(trace, kind):
    return [event for event in trace.events if type(event) is kind]


@PROFILE
@given(WAITS, SKEWS)
def test_a_wait_lasts_as_long_as_was_asked_for_and_less_than_a_second_longer(span, skew):
    @durable
    def handler(event, ctx):
        ctx.wait(span)

    trace = traced(handler, skew)
    lasted = of(trace, Seen)[-1].at - of(trace, Requested)[0].at
    assert in_seconds(span) <= lasted < in_seconds(span) + 1


@pytest.mark.sized
@PROFILE
@given(st.lists(WAITS, min_size=2, max_size=3), SKEWS)
def test_neither_does_one_beside_others(spans, skew):
    @durable
    def handler(event, ctx):
        ctx.map(lambda below, span: below.wait(span), spans, name="all").raise_if_failed()

    trace = traced(handler, skew)
    began = of(trace, Requested)[0].at
    waits = [seen.at - began for seen in of(trace, Seen) if seen.call == "wait"]
    assert len(waits) >= len(spans)
    assert max(map(in_seconds, spans)) <= max(waits)


@pytest.mark.sized
@PROFILE
@given(DELAYS, SKEWS)
def test_a_step_is_tried_again_no_sooner_than_its_policy_says(span, skew):
    def fails():
        if current_step().attempt < 3:
            raise TimeoutError

    @durable
    def handler(event, ctx):
        ctx.step(
            fails, retry=Retry(max_attempts=3, initial_delay=span, max_delay=200_000, backoff_rate=2, jitter="none")
        )

    trace = traced(handler, skew)
    begun, ended = of(trace, BodyBegan), of(trace, BodyEnded)
    assert [body.attempt for body in begun] == [1, 2, 3]
    for at, factor in enumerate((1, 2)):
        rested = begun[at + 1].at - ended[at].at
        assert min(in_seconds(span) * factor, 200_000) <= rested + 1e-3


@pytest.mark.sized
@PROFILE
@given(DELAYS, SKEWS)
def test_a_condition_is_looked_at_no_sooner_than_its_policy_says(span, skew):
    @durable
    def handler(event, ctx):
        polling = Polling(lambda state: state >= 3, initial_delay=span, max_delay=200_000, jitter="none")
        return ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling)

    trace = traced(handler, skew)
    assert trace.result == "3"
    begun, ended = of(trace, BodyBegan), of(trace, BodyEnded)
    for at in range(2):
        assert in_seconds(span) <= begun[at + 1].at - ended[at].at + 1e-3
