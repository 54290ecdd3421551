"""When to try again: docs/contributing/protocol.md#retry-policies, preset by preset."""

from __future__ import annotations

import dataclasses
import logging
import re
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import Polling, Retry
from powertools_durable.errors import ValidationError
from powertools_durable.retry import decide


class Draw:
    """Chance that is none."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


LOW, HIGH = Draw(0.0), Draw(1.0)
OOPS = ConnectionError("busy")


def delays(policy, draw=HIGH, error=OOPS):
    """The delay after each failed attempt, until the policy gives up."""
    found = []
    while (delay := decide(policy, error, len(found) + 1, draw)) is not None:
        found.append(delay)
    return found


PRESETS = [
    (Retry.none(), [], []),
    (Retry(), [1, 1], [5, 10]),
    (Retry.default(), [1] * 5, [5, 10, 20, 40, 60]),
    (Retry.transient(), [3, 5], [5, 10]),
    (Retry.resource_availability(), [1] * 4, [5, 10, 20, 40]),
    (Retry.critical(), *[[1, 2, 3, 4, 6, 8, 12, 18, 26]] * 2),
    (Retry.linear(), *[[1, 2, 3, 4, 5]] * 2),
    (Retry.fixed(), *[[5, 5, 5, 5]] * 2),
    (Retry.fixed(timedelta(minutes=1)), *[[60] * 4] * 2),
    (Retry.fixed(7, max_attempts=3), *[[7, 7]] * 2),
    (Retry.fixed(7, 2), *[[7]] * 2),
    (Retry(max_attempts=4, initial_delay=10, max_delay=25, jitter="none"), *[[10, 20, 25]] * 2),
    (Retry(max_attempts=4, initial_delay=2, increment=3, jitter="half"), [1, 3, 4], [2, 5, 8]),
]


@pytest.mark.parametrize(("policy", "shortest", "longest"), PRESETS, ids=[repr(row[0]) for row in PRESETS])
def test_a_preset_waits_as_the_table_says(policy, shortest, longest):
    assert (delays(policy, LOW), delays(policy, HIGH)) == (shortest, longest)


def test_a_delay_is_a_whole_second_at_least_and_never_more_than_the_service_takes():
    assert delays(Retry(max_attempts=2, initial_delay=0.01, jitter="none")) == [1]
    assert delays(Retry(max_attempts=2, initial_delay=10**9, max_delay=10**9, jitter="none")) == [31_622_400]


OVERFLOWING = [
    (Retry(max_attempts=10_000, backoff_rate=10.0, jitter="none"), 300),
    (Retry(max_attempts=10_000, backoff_rate=2, jitter="none"), 300),
    (Retry(max_attempts=10_000, backoff_rate=10**400, jitter="none"), 300),
    (Retry(max_attempts=10_000, backoff_rate=10.0, jitter="none", initial_delay=0), 1),
    (Retry(max_attempts=10_000, increment=1e308, jitter="none", initial_delay=1e308), 300),
]


@pytest.mark.parametrize(("policy", "delay"), OVERFLOWING)
def test_a_rate_that_overflows_stays_at_the_longest_delay(policy, delay):
    assert decide(policy, OOPS, 9_999, LOW) == delay
    assert policy.increment or Polling(bool, **common(policy)).delay(9_999, LOW) == delay


def common(policy):
    return {name: getattr(policy, name) for name in ("initial_delay", "max_delay", "backoff_rate", "jitter")}


FILTERS = [
    (Retry(retry_on=(ConnectionError,)), True),
    (Retry(retry_on=ConnectionError), True),
    (Retry(retry_on=(KeyError,)), False),
    (Retry(retry_on=()), False),
    (Retry(retry_if=lambda error: "busy" in str(error)), True),
    (Retry(retry_if=lambda error: False), False),
    (Retry(retry_on=(KeyError,), retry_if=lambda error: True), False),
    (Retry(retry_if=lambda error: 1 / 0), False),
]


@pytest.mark.parametrize(("policy", "again"), FILTERS)
def test_class_and_condition_must_both_agree_and_a_condition_that_raises_does_not(policy, again):
    assert (decide(policy, OOPS, 1, LOW) is not None) is again


def test_a_function_of_error_and_attempt_is_a_policy():
    assert delays(lambda error, attempt: timedelta(minutes=attempt) if attempt < 3 else None) == [60, 120]
    assert decide(lambda error, attempt: 0, OOPS, 1, LOW) == 1


@pytest.mark.parametrize(
    ("answer", "delay"), [(0.1, 1), (1.2, 2), (timedelta(days=400), 31_622_400), (1e300, 31_622_400)]
)
def test_a_policy_s_answer_is_brought_into_the_service_s_limits(answer, delay):
    assert decide(lambda error, attempt: answer, OOPS, 1, LOW) == delay


class Stop(BaseException):
    """As a suspension is."""


def test_only_exceptions_are_taken_for_a_policy_s_failure():
    def stopped(error, attempt):
        raise Stop

    with pytest.raises(Stop):
        decide(stopped, OOPS, 1, LOW)


def test_jitter_is_the_seed_s():
    policy = Retry(max_attempts=20, initial_delay=1000, max_delay=10_000)
    assert delays(policy, Random(1)) == delays(policy, Random(1)) != delays(policy, Random(2))


def test_a_policy_that_raises_gives_up_and_is_logged(caplog):
    def broken(error, attempt):
        raise LookupError("secret")

    with caplog.at_level(logging.WARNING):
        assert decide(broken, OOPS, 1, LOW) is None
    assert "retry policy 'broken' raised LookupError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("answer", [-1, float("nan"), "5", True, 10**400, timedelta(-1), object()])
def test_a_policy_that_answers_no_time_span_is_refused_by_name(answer):
    def odd(error, attempt):
        return answer

    with pytest.raises(ValidationError, match="retry policy 'odd' must return a delay or None"):
        decide(odd, OOPS, 1, LOW)


WRONG = [
    ({"max_attempts": 0}, "max_attempts is a whole number of at least 1, not 0"),
    ({"max_attempts": True}, "max_attempts is a whole number of at least 1, not True"),
    ({"max_attempts": 2.5}, "max_attempts is a whole number of at least 1, not 2.5"),
    ({"backoff_rate": 0.5}, "backoff_rate is a number of at least 1, not 0.5"),
    ({"backoff_rate": float("nan")}, "backoff_rate is a number of at least 1, not nan"),
    ({"backoff_rate": float("inf")}, "backoff_rate is a number of at least 1, not inf"),
    ({"backoff_rate": "2"}, "backoff_rate is a number of at least 1, not '2'"),
    ({"backoff_rate": True}, "backoff_rate is a number of at least 1, not True"),
    ({"jitter": None}, "jitter is one of 'none', 'half', 'full', not None"),
    ({"jitter": ["full"]}, "jitter is one of 'none', 'half', 'full', not ['full']"),
    ({"jitter": "some"}, "jitter is one of 'none', 'half', 'full', not 'some'"),
    ({"initial_delay": -1}, "initial_delay: a time span is a finite number of seconds, 0 or more, not -1"),
    ({"max_delay": 10**400}, "max_delay: a time span is a finite number of seconds, 0 or more, not inf"),
    ({"initial_delay": True}, "initial_delay: a time span is a timedelta or a number of seconds, not a bool"),
    ({"max_delay": "5"}, "max_delay: a time span is a timedelta or a number of seconds, not str"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(row[0]) for row in WRONG])
@pytest.mark.parametrize("make", [Retry, lambda **options: Polling(bool, **options)], ids=["Retry", "Polling"])
def test_a_wrong_value_is_refused_when_it_is_built(make, options, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        make(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry_on": ("ValueError",)}, "retry_on is a tuple of exception classes"),
        ({"retry_on": [ValueError]}, "retry_on is a tuple of exception classes"),
        ({"retry_on": (ValueError, 5)}, "retry_on is a tuple of exception classes"),
        ({"retry_on": int}, "retry_on is a tuple of exception classes"),
        ({"retry_if": True}, "retry_if is a function of the exception"),
        ({"increment": -1}, "increment: a time span"),
    ],
)
def test_a_wrong_filter_is_refused(options, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        Retry(**options)


def test_policies_are_values():
    assert Retry(max_attempts=5) == Retry(max_attempts=5) != Retry(max_attempts=4)
    assert len({Retry.default(), Retry.default(), Retry.none()}) == 2
    assert Retry(retry_on=KeyError) == Retry(retry_on=(KeyError,))
    assert repr(Retry.fixed(7)) == (
        "Retry(max_attempts=5, initial_delay=7, max_delay=7, backoff_rate=1, jitter='none')"
    )
    assert repr(Polling(bool, max_attempts=2)) == "Polling(until=<class 'bool'>, max_attempts=2)"
    assert repr(Retry(max_attempts=5, jitter="none")) == "Retry(max_attempts=5, jitter='none')"
    assert repr(Retry()) == "Retry()"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Retry().max_attempts = 4


def test_a_policy_can_be_called_as_any_other():
    assert Retry(jitter="none")(OOPS, 1) == 5
    assert Retry(jitter="none")(OOPS, 3) is None


@given(
    attempts=st.integers(1, 50),
    initial=st.floats(0, 1e6),
    longest=st.floats(0, 1e6),
    rate=st.floats(1, 50),
    jitter=st.sampled_from(["none", "half", "full"]),
    seed=st.integers(),
)
def test_every_delay_is_within_the_limits(attempts, initial, longest, rate, jitter, seed):
    policy = Retry(max_attempts=attempts, initial_delay=initial, max_delay=longest, backoff_rate=rate, jitter=jitter)
    found = delays(policy, Random(seed))
    assert len(found) == attempts - 1
    assert all(type(delay) is int and 1 <= delay <= max(1, longest + 1) for delay in found)


def test_polling_delays_grow_as_those_of_a_retry():
    polling = Polling(bool, jitter="none")
    assert [polling.delay(attempt, LOW) for attempt in (1, 2, 3, 60)] == [5, 8, 12, 300]


def test_polling_needs_a_function():
    with pytest.raises(ValidationError, match="until is a function of the state"):
        Polling(True)


@pytest.mark.parametrize("interval", [2, 1.5, timedelta(seconds=2)])
def test_polling_at_a_fixed_interval(interval):
    polling = Polling.every(interval, bool, max_attempts=7)
    assert (polling.until, polling.max_attempts) == (bool, 7)
    assert [polling.delay(number, Random(0)) for number in (1, 2, 6)] == [2, 2, 2]
    assert Polling.every(interval, bool).max_attempts == 60
    assert {polling.delay(1, Random(seed)) for seed in range(20)} == {2}


def test_a_fixed_interval_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="initial_delay"):
        Polling.every("2", bool)
    with pytest.raises(ValidationError, match="max_attempts"):
        Retry.fixed(2, max_attempts=0)
