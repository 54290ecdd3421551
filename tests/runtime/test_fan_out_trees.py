"""Whatever is put inside whatever, killed wherever: the result is that of an undisturbed run (G3)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Completion, DurableConfig, Nesting, Retry, durable
from tests.runtime.rig import Served
from tests.size import tenth

ALL, ONCE = Completion.all_completed(), Retry.none()


@dataclass(frozen=True)
class Fan:
    """A fan-out in a tree of operations; every other node is the name of a gesture."""

    nesting: Nesting
    slots: int | None
    branches: tuple[object, ...]


def run_tree(ctx, node, path="r"):
    """Do what the tree says; what comes of it depends on the tree alone."""
    match node:
        case "step":
            return ctx.step(lambda: path, name=path)
        case "wait":
            ctx.wait(1 + len(path) % 7, name=path)
            return path
        case "fail":
            ctx.step(lambda: path, name=path)
            raise ValueError(path)
        case "patch":
            return ctx.patched(path)
        case "child":
            return ctx.run_in_child_context(
                lambda c: [run_tree(c, "step", path + "c"), run_tree(c, "wait", path + "d")]
            )
        case Fan(nesting, slots, branches):
            result = ctx.map(
                lambda c, pair: [run_tree(c, pair[1], f"{path}.{pair[0]}"), c.step(lambda: "end", name=f"{path}-end")],
                list(enumerate(branches)),
                nesting=nesting,
                max_concurrency=slots,
                completion=ALL,
                name=path,
            )
            return [[item.status, item.result or item.error.message] for item in result]


leaves = st.sampled_from(["step", "wait", "fail", "patch", "child"])
fans = st.recursive(
    leaves,
    lambda inner: st.builds(
        Fan, st.sampled_from(Nesting), st.none() | st.integers(1, 3), st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=8,
).filter(lambda node: isinstance(node, Fan))
kills = st.lists(st.tuples(st.integers(1, 25), st.sampled_from(["before", "after"])), max_size=3)


@pytest.mark.sized
@settings(max_examples=tenth(60))
@given(fans, kills, st.sampled_from([1, 2, 32]))
def test_a_tree_of_fan_outs_comes_to_the_same_however_often_it_is_killed(tree, deaths, threads):
    @durable(config=DurableConfig(max_threads=threads, on_unconsumed="fail"))
    def handler(event, ctx):
        return run_tree(ctx, tree)

    undisturbed, killed = Served(handler), Served(handler, kills=deaths)
    assert undisturbed.finish().status == killed.finish().status == "SUCCEEDED"  # the service refuses what is illegal
    assert killed.result == undisturbed.result
    ids = [{(record.id, record.name, record.status) for record in run.operations} for run in (undisturbed, killed)]
    assert ids[0] == ids[1]
