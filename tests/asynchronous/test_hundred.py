"""A gather of 100 tasks with three operations each: see `hundred`. The other seeds run by ``make soak``."""

from __future__ import annotations

import pytest

from tests.asynchronous.hundred import differences, outcome_of, run


@pytest.mark.sampled(1)
@pytest.mark.parametrize("first", range(1, 21, 5))
def test_a_random_kill_makes_no_difference(first):
    assert differences(100, range(first, first + 5)) == []


@pytest.mark.slow
def test_no_kill_at_any_moment_of_ten_tasks_does():
    whole = run(10)
    expected = outcome_of(whole)
    for dies in range(len(whole.moments)):
        assert outcome_of(run(10, kills=[dies])) == expected, dies


def test_the_ids_are_those_of_tasks():
    (status, _, result), records = outcome_of(run(10))
    assert (status, len(result), len(records)) == ("SUCCEEDED", 10, 30)
