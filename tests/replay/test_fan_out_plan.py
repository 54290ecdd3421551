"""The plan of a fan-out: docs/contributing/protocol.md#completion-rules and #scheduling, without a thread."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import Completion
from powertools_durable._replay.fan_out_plan import FanOutPlan
from powertools_durable._replay.outcome import Raised, Returned
from tests.kit import NOON

GOOD, BAD = Returned("ok"), Raised(ValueError("no"))


def plan_of(total, completion=None, **options):
    return FanOutPlan(range(total), completion or Completion.all_completed(), **options)


def admitted(plan):
    found = []
    while (index := plan.admit()) is not None:
        found.append(index)
    return found


# -- admission -------------------------------------------------------------------------------------------------


def test_branches_are_admitted_in_index_order_and_all_without_a_limit():
    assert admitted(plan_of(5)) == [0, 1, 2, 3, 4]


def test_no_more_are_in_flight_than_max_concurrency():
    plan = plan_of(5, max_concurrency=2)
    assert admitted(plan) == [0, 1]
    plan.ended(1, GOOD)
    assert admitted(plan) == [2]
    plan.ended(0, BAD)
    plan.ended(2, GOOD)
    assert admitted(plan) == [3, 4]


def test_a_suspended_branch_keeps_its_slot():
    plan = plan_of(3, max_concurrency=1)
    assert admitted(plan) == [0]
    plan.suspended(0, NOON)
    assert (admitted(plan), plan.running) == ([], 0)


def test_a_group_is_admitted_when_the_one_before_has_ended():
    plan = plan_of(5, batch_size=2)
    assert admitted(plan) == [0, 1]
    plan.ended(0, GOOD)
    assert admitted(plan) == []
    plan.suspended(1, None)
    assert admitted(plan) == []
    plan.ended(1, GOOD)
    assert admitted(plan) == [2, 3]


def test_groups_and_concurrency_go_together():
    plan = plan_of(4, batch_size=3, max_concurrency=2)
    assert admitted(plan) == [0, 1]
    plan.ended(0, GOOD)
    assert admitted(plan) == [2]
    plan.ended(1, GOOD)
    assert admitted(plan) == []


# -- timers ----------------------------------------------------------------------------------------------------


def test_the_earliest_timer_counts_and_wakes_those_that_are_due_in_index_order():
    plan = plan_of(4)
    admitted(plan)
    later = NOON + timedelta(seconds=5)
    for index, moment in enumerate([later, None, NOON, NOON]):
        plan.suspended(index, moment)
    assert (plan.earliest, plan.running) == (NOON, 0)
    assert plan.wake(NOON - timedelta(seconds=1)) == []
    assert (plan.wake(NOON), plan.running, plan.earliest) == ([2, 3], 2, later)


# -- when it is done, and why ----------------------------------------------------------------------------------

REASONS = [
    # completion, how the branches end one after the other: the reason, and after how many of them
    (Completion(), "+-+", "FAILURE_TOLERANCE_EXCEEDED", 2),
    (Completion(), "+++", "ALL_COMPLETED", 3),
    (Completion.all_successful(), "-++", "FAILURE_TOLERANCE_EXCEEDED", 1),
    (Completion.all_completed(), "---", "ALL_COMPLETED", 3),
    (Completion.first_successful(), "--+", "ALL_COMPLETED", 3),
    (Completion.first_successful(), "-+-", "MIN_SUCCESSFUL_REACHED", 2),
    (Completion(min_successful=2), "+++", "MIN_SUCCESSFUL_REACHED", 2),
    (Completion(min_successful=3), "+-+", "ALL_COMPLETED", 3),
    (Completion(min_successful=3), "+++", "ALL_COMPLETED", 3),
    (Completion(tolerated_failure_count=1), "-+-", "FAILURE_TOLERANCE_EXCEEDED", 3),
    (Completion(tolerated_failure_count=1), "-++", "ALL_COMPLETED", 3),
    (Completion(tolerated_failure_count=0), "+-+", "FAILURE_TOLERANCE_EXCEEDED", 2),
    (Completion(tolerated_failure_percentage=25), "-+++", "ALL_COMPLETED", 4),
    (Completion(tolerated_failure_percentage=25), "--++", "FAILURE_TOLERANCE_EXCEEDED", 2),
    (Completion(min_successful=1, tolerated_failure_count=0), "-+", "FAILURE_TOLERANCE_EXCEEDED", 1),
    (Completion(when=lambda s: "succeeded" if s.succeeded >= 2 else None), "+-++", "CUSTOM_COMPLETION_SUCCEEDED", 3),
    (Completion(when=lambda s: "failed" if s.failed else None), "++-+", "CUSTOM_COMPLETION_FAILED", 3),
    (Completion(when=lambda s: None), "-+", "ALL_COMPLETED", 2),
]


@pytest.mark.parametrize(
    ("completion", "outcomes", "reason", "after"), REASONS, ids=[f"{row[1]} {row[2]}" for row in REASONS]
)
def test_it_is_done_for_the_first_reason_that_holds(completion, outcomes, reason, after):
    plan = plan_of(len(outcomes), completion)
    admitted(plan)
    for number, sign in enumerate(outcomes):
        assert (plan.reason is not None) is (number >= after)
        plan.ended(number, GOOD if sign == "+" else BAD)
    assert plan.reason == reason


@pytest.mark.parametrize("completion", [Completion(), Completion.all_completed(), Completion(when=lambda s: None)])
def test_without_branches_it_is_complete_at_once(completion):
    assert plan_of(0, completion).reason == "ALL_COMPLETED"


def test_the_first_reason_stays_nothing_more_is_admitted_and_late_outcomes_count():
    plan = plan_of(4, Completion.first_successful(), max_concurrency=3)
    admitted(plan)
    plan.ended(1, GOOD)
    plan.ended(0, BAD)
    assert admitted(plan) == []
    assert plan.reason == "MIN_SUCCESSFUL_REACHED"
    assert plan.outcomes == {0: BAD, 1: GOOD, 2: None}


def test_a_rule_is_asked_before_the_first_start_and_once_after_each_change():
    asked = []

    def rule(status):
        asked.append((status.succeeded, status.failed, [state and state.value for state in status.items.values()]))

    plan = plan_of(2, Completion(when=rule))
    admitted(plan)
    plan.ended(1, GOOD)
    plan.suspended(0, None)
    assert asked == [
        (0, 0, [None, None]),
        (0, 0, ["STARTED", None]),
        (0, 0, ["STARTED", "STARTED"]),
        (1, 0, ["STARTED", "SUCCEEDED"]),
    ]


def test_a_rule_may_end_it_before_anything_starts():
    plan = plan_of(3, Completion(when=lambda status: "succeeded"))
    assert (plan.reason, admitted(plan)) == ("CUSTOM_COMPLETION_SUCCEEDED", [])


# -- whatever the order ----------------------------------------------------------------------------------------


@given(
    total=st.integers(0, 12),
    slots=st.none() | st.integers(1, 5),
    group=st.none() | st.integers(1, 5),
    tolerated=st.none() | st.integers(0, 4),
    seed=st.integers(),
)
def test_every_order_of_events_admits_in_order_within_the_slots_and_ends(total, slots, group, tolerated, seed):
    chance = Random(seed)
    completion = Completion.all_completed() if tolerated is None else Completion(tolerated_failure_count=tolerated)
    plan = plan_of(total, completion, max_concurrency=slots, batch_size=group)
    seen, flying, asleep = [], set(), set()
    for _ in range(500):
        new = admitted(plan)
        seen += new
        flying |= set(new)
        assert len(flying | asleep) <= (slots or total)
        assert not group or len({index // group for index in flying | asleep}) <= 1
        assert plan.running == len(flying)
        if plan.reason is not None:
            break
        if flying and chance.random() < 0.7:
            index = chance.choice(sorted(flying))
            flying.discard(index)
            if chance.random() < 0.3:
                asleep.add(index)
                plan.suspended(index, NOON)
            else:
                plan.ended(index, chance.choice([GOOD, BAD]))
        elif asleep:
            woken = plan.wake(NOON)
            assert woken == sorted(asleep)
            flying |= asleep
            asleep.clear()
    assert plan.reason is not None
    assert seen == list(range(len(seen)))
