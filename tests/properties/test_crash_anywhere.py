"""The law of crashes: a process may die at any moment, and all invariants hold; I03 and I04 say that it ends alike."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import durable
from tests.properties.bodies import LEDGER
from tests.properties.events import Died
from tests.properties.exploring import program as program_of
from tests.properties.invariants import check
from tests.properties.making import Drawn, Maker
from tests.properties.programs import Program, Written, callbacks_of, functions_of, source
from tests.properties.trace import observe
from tests.size import tenth

MOMENTS = st.integers(0, 10_000)  # how many a run has may depend on how its threads take turns, so no draw does


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs as users write them, for better or worse."""
    return Maker(Drawn(draw), rare=False).program()


class Runs:
    """Runs of one program; each is checked against the one that nothing is against."""

    def __init__(self, program):
        self.program = program
        self.handler = Written(program).handler
        self.whole = self.observed()
        self.checked(self.whole)

    def observed(self, **plan):
        options = {"functions": functions_of(self.program), "callbacks": callbacks_of(self.program), "ledger": LEDGER}
        return observe(self.handler, **options, **plan)

    def checked(self, trace):
        told = [str(violation) for violation in check(trace, self.whole)]
        assert told == [], f"kills={trace.kills}\n{source(self.program)}"
        return trace

    def killed(self, *moments):
        return self.checked(self.observed(kills=moments))


@pytest.mark.sized
@settings(max_examples=tenth(25), derandomize=True)
@given(programs(), MOMENTS)
def test_a_process_dies_anywhere_and_all_invariants_hold(program, moment):
    runs = Runs(program)
    runs.killed(moment % len(runs.whole.moments))


@pytest.mark.sized
@settings(max_examples=tenth(25), derandomize=True)
@given(programs(), MOMENTS, MOMENTS)
def test_two_processes_die_anywhere_and_all_invariants_hold(program, first, second):
    runs = Runs(program)
    runs.killed(*(moment % (len(runs.whole.moments) + 5) for moment in (first, second)))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", range(12))
def test_all_single_moments_of_a_program(seed):
    runs = Runs(program_of(seed))
    died = 0
    for moment in range(len(runs.whole.moments)):
        trace = runs.killed(moment)
        died += any(type(event) is Died for event in trace.events)
    assert died


def test_all_single_moments_of_a_handler_whose_updates_wait_for_company():
    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        told = [ctx.step(lambda number=number: number, name=f"first-{number}") for number in range(2)]
        ctx.wait(1, name="between")
        return [*told, ctx.run_in_child_context(lambda below: below.step(lambda: 3)), ctx.step(lambda: 4, name="last")]

    whole = observe(handler)
    for plan in ({}, *({"kills": [moment]} for moment in range(len(whole.moments)))):
        assert list(map(str, check(observe(handler, **plan), whole))) == [], plan


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(12, 20))
def test_some_triples_of_moments_of_a_program(seed):
    runs, random = Runs(program_of(seed)), Random(seed)
    for _ in range(5):
        runs.killed(*sorted(random.choices(range(len(runs.whole.moments) + 3), k=3)))
