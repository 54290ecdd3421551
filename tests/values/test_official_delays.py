"""Delays against the official SDK's, draw for draw; skipped where it is not installed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import Polling, Retry
from powertools_durable.retry import decide

official = pytest.importorskip("aws_durable_execution_sdk_python.retries")
waits = pytest.importorskip("aws_durable_execution_sdk_python.waits")
Duration, JitterStrategy = official.Duration, official.JitterStrategy

OOPS = ConnectionError("busy")
PRESETS = [
    (Retry.none(), official.RetryPresets.none()),
    (Retry.default(), official.RetryPresets.default()),
    (Retry.transient(), official.RetryPresets.transient()),
    (Retry.resource_availability(), official.RetryPresets.resource_availability()),
    (Retry.critical(), official.RetryPresets.critical()),
    (Retry.linear(), official.RetryPresets.linear()),
    (Retry.fixed(), official.RetryPresets.fixed()),
    (Retry.fixed(7), official.RetryPresets.fixed(Duration.from_seconds(7))),
    (Retry(), official.create_retry_strategy()),
    (Retry(max_attempts=6, initial_delay=1, increment=1), official.create_linear_retry_strategy()),
]


def agree(ours, theirs, seed, attempts=12):
    """Draw both from the same seed; theirs draws from the module."""
    draw, before = random.Random(seed), random.getstate()
    random.seed(seed)
    try:
        for attempt in range(1, attempts + 1):
            decision = theirs(OOPS, attempt)
            expected = decision.delay_seconds if decision.should_retry else None
            assert decide(ours, OOPS, attempt, draw) == expected
    finally:
        random.setstate(before)


@pytest.mark.parametrize(("ours", "theirs"), PRESETS, ids=[repr(row[0]) for row in PRESETS])
@pytest.mark.parametrize("seed", range(5))
def test_a_preset_waits_as_the_official_one_with_the_same_luck(ours, theirs, seed):
    agree(ours, theirs, seed)


seconds = st.integers(1, 100_000)
rates = st.one_of(st.integers(1, 5), st.floats(1, 5))
jitters = st.sampled_from(["none", "half", "full"])


@given(seconds, seconds, rates, jitters, st.integers(0, 1000))
def test_growing_delays_are_the_official_ones(initial, longest, rate, jitter, seed):
    theirs = official.RetryStrategyConfig(
        max_attempts=10,
        initial_delay=Duration.from_seconds(initial),
        max_delay=Duration.from_seconds(longest),
        backoff_rate=rate,
        jitter_strategy=JitterStrategy[jitter.upper()],
    )
    ours = Retry(max_attempts=10, initial_delay=initial, max_delay=longest, backoff_rate=rate, jitter=jitter)
    agree(ours, official.create_retry_strategy(theirs), seed)


@given(seconds, seconds, rates, jitters, st.integers(0, 1000))
def test_polling_delays_are_the_official_ones(initial, longest, rate, jitter, seed):
    theirs = waits.create_wait_strategy(
        waits.WaitStrategyConfig(
            should_continue_polling=lambda state: True,
            initial_delay=Duration.from_seconds(initial),
            max_delay=Duration.from_seconds(longest),
            backoff_rate=rate,
            jitter_strategy=JitterStrategy[jitter.upper()],
        )
    )
    ours = Polling(bool, initial_delay=initial, max_delay=longest, backoff_rate=rate, jitter=jitter)
    draw, before = random.Random(seed), random.getstate()
    random.seed(seed)
    try:
        for attempt in range(1, 10):
            assert ours.delay(attempt, draw) == theirs("state", attempt).delay_seconds
    finally:
        random.setstate(before)


def test_polling_defaults_are_the_official_ones():
    theirs = waits.WaitStrategyConfig(should_continue_polling=bool)
    ours = Polling(bool)
    assert (ours.max_attempts, ours.initial_delay, ours.max_delay, ours.backoff_rate, ours.jitter.upper()) == (
        theirs.max_attempts,
        theirs.initial_delay_seconds,
        theirs.max_delay_seconds,
        theirs.backoff_rate,
        theirs.jitter_strategy,
    )
