"""Random programs: each line of a crash-free history once, with crashes at least once, none while unwinding.

I16 says the same of all executions. Larger programs, and more ways to die, are in tests/properties.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import DurableConfig, Retry, current_scope, durable
from powertools_durable.testing import Simulator
from tests.integrations.lines import Log
from tests.size import tenth


@dataclass(frozen=True)
class Step:
    failures: int


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Child:
    body: tuple
    virtual: bool
    large: bool


@dataclass(frozen=True)
class Branches:
    bodies: tuple


@dataclass(frozen=True)
class Finally:
    body: tuple


LEAVES = st.one_of(st.builds(Step, st.integers(0, 2)), st.builds(Wait, st.integers(1, 30)))


def bodies(nodes):
    return st.lists(nodes, max_size=3).map(tuple)


NODES = st.recursive(
    LEAVES,
    lambda nodes: st.one_of(
        st.builds(Child, bodies(nodes), virtual=st.just(value=False), large=st.booleans()),
        # Nothing durable says that a context without record and operations ever ran.
        st.builds(
            Child, bodies(nodes).map(lambda body: (Step(0), *body)), virtual=st.just(value=True), large=st.booleans()
        ),
        st.builds(Branches, st.lists(bodies(nodes), min_size=1, max_size=3).map(tuple)),
        st.builds(Finally, bodies(nodes)),
    ),
    max_leaves=8,
)
PROGRAMS = st.lists(NODES, min_size=1, max_size=4).map(tuple)


class Machine:
    """Runs a program: a line before, between and behind all of it; dies behind the lines whose turn says so."""

    def __init__(self, log, crashes=()):
        self.expected = Counter()
        self._log = log
        self._crashes = set(crashes)
        self._said = itertools.count()
        self._failed = Counter()
        self._lock = threading.Lock()

    def says(self, place, *, times=1):
        with self._lock:
            self.expected[place] = times
            dies = next(self._said) in self._crashes
        self._log.logger.info(place)
        # Not from a block of a coroutine that an earlier death has left behind: Python ignores what that raises.
        if dies and not isinstance(sys.exc_info()[1], GeneratorExit):
            raise SystemExit

    def run(self, ctx, body, place="root"):
        self.says(f"{place} begins")
        for number, node in enumerate(body):
            self._node(ctx, node, f"{place}.{number}")
            self.says(f"{place} after {number}")

    def _node(self, ctx, node, place):
        match node:
            case Step(failures):
                ctx.step(lambda: self._attempt(place, failures), retry=Retry(max_attempts=9, jitter="none"))
            case Wait(seconds):
                ctx.wait(seconds)
            case Child(body, virtual, large):
                ctx.run_in_child_context(
                    lambda child: (self.run(child, body, place), "x" * 300_000 if large else "")[1], virtual=virtual
                )
            case Branches(bodies):
                ctx.parallel(
                    [
                        lambda child, body=body, at=at: self.run(child, body, f"{place}/{at}")
                        for at, body in enumerate(bodies)
                    ]
                )
            case Finally(body):
                try:
                    self.run(ctx, body, place)
                finally:
                    self.says(f"{place} finally")

    def _attempt(self, place, failures):
        self.says(f"{place} body", times=failures + 1)
        with self._lock:
            self._failed[place] += 1
        if self._failed[place] <= failures:
            raise ConnectionError


class Probe(logging.Handler):
    """Stands behind the filter, and sees in which state a line comes out."""

    def __init__(self):
        super().__init__()
        self.states = Counter()

    def emit(self, record):
        scope = current_scope()
        self.states[scope.where.replay_state] += 1


def outcome_of(program, crashes=()):
    log, probe = Log(), Probe()
    log.logger.addHandler(probe)
    machine = Machine(log, crashes)
    quiet = DurableConfig(log_failures=False)  # which logger gets them depends on those of the process
    handler = durable(config=quiet)(lambda event, ctx: machine.run(ctx, program))
    try:
        run = Simulator(handler).start().finish()
        assert run.status == "SUCCEEDED", run.error
        return machine.expected, Counter(log.messages), probe.states
    finally:
        log.forget()


@pytest.mark.sized
@settings(max_examples=tenth(60))
@given(program=PROGRAMS)
def test_without_a_crash_each_line_comes_out_exactly_once(program):
    expected, said, states = outcome_of(program)
    assert said == expected
    assert set(states) == {"LIVE"}


@pytest.mark.only(
    "def", "a line can be missing after a death that no record shows: docs/async.md#suspension-and-cancellation"
)
@pytest.mark.sized
@settings(max_examples=tenth(60))
@given(program=PROGRAMS, crashes=st.lists(st.integers(0, 40), max_size=3))
def test_with_crashes_each_line_comes_out_at_least_once(program, crashes):
    expected, said, states = outcome_of(program, crashes)
    assert said >= Counter(dict.fromkeys(expected, 1))
    assert set(said) == set(expected)
    assert set(states) == {"LIVE"}
