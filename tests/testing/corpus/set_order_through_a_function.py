"""A called function returns a set, and a step is called for each of its items."""

from __future__ import annotations

from powertools_durable import durable

EVENT = ["a", "b", "a"]
DOCTOR = "set-order"
SAYS = "depends on the order of a set"


def without_repetitions(names):
    return set(names)


@durable
def handler(event, ctx):
    return [ctx.step(str.upper, name, name=name) for name in without_repetitions(event)]
