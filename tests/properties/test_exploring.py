"""Random programs survive a crash at every moment; more of them by ``python -m tests.properties.exploring``."""

from __future__ import annotations

from random import Random

import pytest

from powertools_durable.testing import Simulator, explore
from tests.properties.bodies import LEDGER
from tests.properties.exploring import explored, program
from tests.properties.line_kinds import KINDS, MISPLACED
from tests.properties.making import Maker, Seeded
from tests.properties.programs import Written, callbacks_of, functions_of, lines_of

NOT_EXPLORED = {
    "crowd",  # so many operations that exploring them takes minutes
    "misplaced in a branch",  # how far the other branches come before the execution fails is luck
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NOT_EXPLORED])
def test_every_kind_of_line_survives_a_crash_at_every_moment(kind):
    lines = (Maker(Seeded(Random(1)), gestures=False).line(kind),)
    simulator = Simulator(Written(lines).handler, functions=functions_of(lines))
    found = explore(simulator, ledger=LEDGER, callbacks=callbacks_of(lines))
    found.assert_survives()
    if kind != "fatal" and kind not in MISPLACED:
        assert found.warnings == []


def size(seed):
    return len(list(lines_of(program(seed))))


SMALL = [seed for seed in range(60) if 2 <= size(seed) <= 5][:6]
TINY = [3, 8, 10]  # with so few moments that pairs of them are looked at in a second


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", SMALL)
def test_a_random_program_survives_a_crash_at_every_moment(seed):
    explored(seed).assert_survives()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", TINY)
def test_a_random_program_survives_two_crashes(seed):
    explored(seed, crashes=2).assert_survives()
