"""Branches that race for the last teapot, as docs/testing/simulator.md quotes them; tests/examples/test_testing.py."""

# --8<-- [start:top]
from __future__ import annotations

from powertools_durable import DurableContext, durable
from powertools_durable.testing import Simulator

shelf = {"teapots": 1}
# --8<-- [end:top]


# --8<-- [start:race]
def look() -> int:
    return shelf["teapots"]


def take() -> None:
    shelf["teapots"] -= 1


def sell(child: DurableContext, buyer: str) -> str:
    if child.step(look) == 0:
        return f"{buyer} goes without"
    child.step(take)
    return f"{buyer} has a teapot"


@durable
def handler(buyers: list[str], ctx: DurableContext) -> list[str]:
    return ctx.map(sell, buyers).results


# --8<-- [end:race]


# --8<-- [start:seeds]
def teapots_left(seed: int) -> int:
    shelf["teapots"] = 1
    Simulator(handler, seed=seed).start(["Ada", "Grace"]).finish()
    return shelf["teapots"]


def test_some_seeds_sell_a_teapot_twice() -> None:
    left = [teapots_left(seed) for seed in range(20)]
    assert set(left) == {0, -1}
    assert left == [teapots_left(seed) for seed in range(20)]  # always the same ones


# --8<-- [end:seeds]
