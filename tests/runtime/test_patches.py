"""ctx.patched within one invocation, and what an invocation that ends leaves behind."""

from __future__ import annotations

import pytest

from powertools_durable import Nesting, durable
from powertools_durable.testing import Simulator


def test_a_patch_may_be_asked_for_twice():
    @durable
    def handler(event, ctx):
        return [ctx.patched("a"), ctx.patched("a"), ctx.patched("b")]

    run = Simulator(handler).start()
    assert (run.result, len(run.operations)) == ([True, True, True], 2)


def test_a_patch_in_a_loop_stays_false_in_an_execution_that_passed_it():
    new = []

    @durable
    def handler(event, ctx):
        ways = []
        for turn in range(4):
            if new:
                ways.append(ctx.patched("ship-by-air"))
            ctx.step(lambda: None, name=f"turn-{turn}")
            ctx.wait(5)
        return ways

    old = Simulator(handler).start()
    new.append("deployed")
    assert old.finish().result == [False] * 4
    assert Simulator(handler).start().finish().result == [True] * 4


@pytest.mark.slow
@pytest.mark.parametrize("nesting", [Nesting.FLAT, Nesting.NESTED])
def test_an_invocation_that_dies_ends_the_fan_outs_below_it(nesting):
    def dies():
        if not died:
            died.append(1)
            raise MemoryError

    def nested(child):
        return child.map(lambda c, n: n, [0, 1], nesting=nesting, max_concurrency=1).success_count

    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda child: child.step(dies), nested]).results

    for _ in range(100):
        died: list[int] = []
        assert Simulator(handler).start().finish().result == [None, 2]
