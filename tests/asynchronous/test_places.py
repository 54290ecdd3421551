"""Ids by structure: tasks that a handler makes replay under any interleaving, crash and Python version."""

from __future__ import annotations

from random import Random

import pytest

from tests.asynchronous.hundred import outcome_of
from tests.asynchronous.place_programs import PROGRAMS
from tests.properties.trace import observe
from tests.size import tenth


@pytest.mark.sampled(2)
@pytest.mark.sized
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_set_of_ids_and_one_result_whatever_a_seed_decides_and_wherever_the_process_dies(name):
    whole = observe(PROGRAMS[name])
    expected = outcome_of(whole)
    assert expected[0][:2] == ("SUCCEEDED", "")
    for seed in range(1, 1 + tenth(40)):
        dies = Random(f"{name}/{seed}").randrange(len(whole.moments))
        assert outcome_of(observe(PROGRAMS[name], seed=seed, kills=[dies])) == expected, (seed, dies)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_so_at_every_moment(name):
    whole = observe(PROGRAMS[name])
    expected = outcome_of(whole)
    assert expected[0][:2] == ("SUCCEEDED", "")
    for dies in range(len(whole.moments)):
        assert outcome_of(observe(PROGRAMS[name], kills=[dies])) == expected, dies
