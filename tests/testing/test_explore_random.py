"""Random programs survive a crash at every moment; more of them by ``python -m tests.testing.random_programs``."""

from __future__ import annotations

import pytest

from tests.testing.random_programs import LEAVES, NODES, Program

MOST = 7  # lines of a program; larger ones are for the command


def kinds_in(lines):
    for kind, _, inside in lines:
        yield kind
        for program in inside:
            yield from kinds_in(program)


def small(seed):
    return len(list(kinds_in(Program(seed).lines))) <= MOST


SEEDS = [seed for seed in (1, 2, 3, 4, 5, 7, 9, 10, 13, 20, 22, 50) if small(seed)]  # every kind is in one of them


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_program_survives_a_crash_at_every_moment(seed):
    program = Program(seed)
    found = program.explored()
    found.assert_survives()
    assert found.warnings == []


@pytest.mark.parametrize("seed", [1, 3])
def test_a_random_program_survives_two_crashes(seed):
    Program(seed).explored(crashes=2).assert_survives()


def test_every_kind_of_line_is_among_them():
    assert {kind for seed in SEEDS for kind in kinds_in(Program(seed).lines)} == {*LEAVES, *NODES}
