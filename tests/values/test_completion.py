"""When a fan-out is done (docs/contributing/protocol.md#completion-rules)."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from powertools_durable import Completion
from powertools_durable.completion import CompletionReason, FanOutStatus
from powertools_durable.errors import ValidationError


def status(total, succeeded=0, failed=0):
    return FanOutStatus(total, succeeded, failed, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_successful": 0},
        {"min_successful": -1},
        {"min_successful": 1.5},
        {"min_successful": True},
        {"tolerated_failure_count": -1},
        {"tolerated_failure_count": "2"},
        {"tolerated_failure_percentage": -0.1},
        {"tolerated_failure_percentage": 100.1},
        {"tolerated_failure_percentage": math.nan},
        {"tolerated_failure_percentage": False},
        {"when": bool, "min_successful": 1},
        {"when": bool, "tolerated_failure_count": 0},
        {"when": bool, "tolerated_failure_percentage": 0},
        {"when": "succeeded"},
    ],
    ids=str,
)
def test_what_can_never_be_meant_is_refused_when_it_is_built(wrong):
    with pytest.raises(ValidationError):
        Completion(**wrong)


def test_the_presets_say_what_they_stand_for():
    assert Completion.all_successful() == Completion(tolerated_failure_count=0, tolerated_failure_percentage=0)
    assert Completion.all_completed() == Completion(tolerated_failure_percentage=100)
    assert Completion.first_successful() == Completion(min_successful=1)


def test_it_is_frozen_and_can_be_read_in_a_log():
    assert repr(Completion()) == "Completion()"
    assert repr(Completion(min_successful=2, tolerated_failure_count=0)) == (
        "Completion(min_successful=2, tolerated_failure_count=0)"
    )
    with pytest.raises(AttributeError):
        Completion().min_successful = 2


@pytest.mark.parametrize("total", [0, 1])
def test_more_successes_than_branches_are_refused(total):
    with pytest.raises(ValidationError, match=f"min_successful=2 can't be reached with {total} branches"):
        Completion(min_successful=2).check_total(total)
    Completion(min_successful=2).check_total(2)
    Completion().check_total(0)


FAILED, DONE, ENOUGH = (
    CompletionReason.FAILURE_TOLERANCE_EXCEEDED,
    CompletionReason.ALL_COMPLETED,
    CompletionReason.MIN_SUCCESSFUL_REACHED,
)


@pytest.mark.parametrize(
    ("completion", "succeeded", "failed", "reason"),
    [  # of ten branches
        (Completion(), 9, 0, None),
        (Completion(), 0, 1, FAILED),
        (Completion(), 9, 1, FAILED),
        (Completion(), 10, 0, DONE),
        (Completion(min_successful=3), 2, 7, None),
        (Completion(min_successful=3), 3, 0, ENOUGH),
        (Completion(min_successful=3), 3, 7, DONE),
        (Completion(min_successful=3), 0, 10, DONE),
        (Completion(tolerated_failure_count=2), 0, 2, None),
        (Completion(tolerated_failure_count=2), 0, 3, FAILED),
        (Completion(tolerated_failure_count=2), 8, 2, DONE),
        (Completion(tolerated_failure_percentage=20), 0, 2, None),
        (Completion(tolerated_failure_percentage=20), 0, 3, FAILED),
        (Completion(tolerated_failure_percentage=19.9), 0, 2, FAILED),
        (Completion(tolerated_failure_percentage=100), 0, 10, DONE),
        (Completion(min_successful=3, tolerated_failure_count=0), 3, 1, FAILED),
        (Completion(tolerated_failure_count=9, tolerated_failure_percentage=10), 0, 2, FAILED),
        (Completion(tolerated_failure_count=1, tolerated_failure_percentage=90), 0, 2, FAILED),
    ],
)
def test_the_first_reason_that_holds_is_told(completion, succeeded, failed, reason):
    assert completion.reason(status(10, succeeded, failed)) is reason


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total))))
def test_a_tolerated_percentage_is_exceeded_by_more_and_never_by_just_as_many(numbers):
    total, failed = numbers
    exact = Completion(tolerated_failure_percentage=failed * 100 / total)
    below = Completion(tolerated_failure_percentage=failed * 100 / total - 1e-6)
    assert exact.reason(status(total, 0, failed)) is not FAILED
    assert below.reason(status(total, 0, failed)) is FAILED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("succeeded", CompletionReason.CUSTOM_COMPLETION_SUCCEEDED),
        ("failed", CompletionReason.CUSTOM_COMPLETION_FAILED),
        (None, None),
    ],
)
def test_a_rule_of_your_own_decides_alone(answer, reason):
    completion = Completion(when=lambda seen: answer)
    assert completion.reason(status(10, 3, 3)) is reason
    assert completion.reason(status(10, 3, 7)) is (reason or DONE)  # it is asked before all have ended


@pytest.mark.parametrize("answer", [True, False, "SUCCEEDED", 1, ""])
def test_a_rule_that_answers_something_else_is_a_usage_error(answer):
    with pytest.raises(ValidationError, match="returns None, 'succeeded' or 'failed'"):
        Completion(when=lambda seen: answer).reason(status(1))


# -- the official SDK as an oracle ---------------------------------------------------------------------------------


@pytest.mark.sized
@given(
    running=st.integers(0, 30),
    succeeded=st.integers(0, 15),
    failed=st.integers(0, 15),
    enough=st.none() | st.integers(1, 30),
    count=st.none() | st.integers(0, 30),
    percentage=st.none() | st.integers(0, 100) | st.floats(0, 100),
)
def test_the_official_sdk_comes_to_the_same(running, succeeded, failed, enough, count, percentage):
    total = running + succeeded + failed
    models = pytest.importorskip("aws_durable_execution_sdk_python.concurrency.models")
    # Theirs divides first, and rounds 7 of 100 up to more than 7 %.
    assume(percentage is None or not total or abs(failed / total * 100 - percentage) > 1e-9 or failed == 0)
    policy = models.CompletionPolicy(total, enough, count, percentage)
    stops = policy.is_tolerance_exceeded(failed) or policy.is_complete(succeeded, failed)
    theirs = policy.reason(succeeded, failed).value if stops else None
    ours = Completion(
        min_successful=enough, tolerated_failure_count=count, tolerated_failure_percentage=percentage
    ).reason(status(total, succeeded, failed))
    assert ours == theirs
