"""Ids by structure: tasks that a handler makes replay under any interleaving, crash and Python version."""

from __future__ import annotations

import json
from random import Random

import pytest

from tests.asynchronous.place_programs import PROGRAMS
from tests.properties.events import Requested
from tests.properties.trace import observe
from tests.size import tenth


def outcome(trace):
    """Return the result, and the place, parent, name and kind of everything that was recorded."""
    assert (trace.status, trace.error, trace.words) == ("SUCCEEDED", "", "")
    sent = [update for event in trace.events if type(event) is Requested for update in event.updates]
    records = {update["Id"]: [update.get(key) for key in ("ParentId", "Name", "SubType", "Type")] for update in sent}
    return json.loads(trace.result), records


@pytest.mark.sized
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_set_of_ids_and_one_result_whatever_a_seed_decides_and_wherever_the_process_dies(name):
    whole = observe(PROGRAMS[name])
    expected = outcome(whole)
    for seed in range(1, 1 + tenth(40)):
        dies = Random(f"{name}/{seed}").randrange(len(whole.moments))
        assert outcome(observe(PROGRAMS[name], seed=seed, kills=[dies])) == expected, (seed, dies)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_so_at_every_moment(name):
    whole = observe(PROGRAMS[name])
    expected = outcome(whole)
    for dies in range(len(whole.moments)):
        assert outcome(observe(PROGRAMS[name], kills=[dies])) == expected, dies
