"""The order of results: what tasks were handed in one order when it happened, they are handed in on every replay."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from powertools_durable.testing import Simulator
from tests.asynchronous import order_programs
from tests.asynchronous.order_programs import PROGRAMS, RUNS
from tests.properties.trace import observe
from tests.size import tenth


def seen(name, seed, *kills):
    """Run a program, and check that each invocation first saw what those before had seen."""
    order_programs.begin(f"{name}/{seed}/{kills}")
    trace = observe(PROGRAMS[name], seed=seed, kills=kills)
    assert (trace.status, trace.words) == ("SUCCEEDED", "")
    assert json.loads(trace.result) == RUNS[-1]
    for before, after in combinations(RUNS, 2):
        both = min(len(before), len(after))  # a process that dies early sees less
        assert after[:both] == before[:both], (name, seed, kills)
    return trace


@pytest.mark.sampled(4)
@pytest.mark.sized
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_handed_over_in_the_recorded_order_whatever_the_process_dies_of(name):
    for seed in range(tenth(30)):
        for kill in range(seed % 7, len(seen(name, seed).moments), 7):
            seen(name, seed, kill, kill + 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_so_at_every_moment(name):
    for kill in range(len(seen(name, 0).moments)):
        seen(name, 0, kill)


def test_runs_do_differ():
    orders = set()
    for seed in range(6):
        order_programs.begin(seed)
        orders.add(str(Simulator(PROGRAMS["pool_of_workers"], seed=seed).start({}).finish().result))
    assert len(orders) > 1
