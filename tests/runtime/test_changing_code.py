"""Code that changes under running executions: guarded by a patch, detected, or reported."""

from __future__ import annotations

import pytest

from powertools_durable import DurableConfig, Nesting, durable
from powertools_durable.testing import Simulator
from tests.runtime.rig import Served


class Deployed:
    """A function whose code is what was deployed last."""

    def __init__(self, code, **config):
        self.code = code

        @durable(config=DurableConfig(**config))
        def handler(event, ctx):
            return self.code(ctx)

        self.handler = handler

    def start(self):
        return Simulator(self.handler).start()


# -- guarded by a patch: where the new code stands -----------------------------------------------------------------


def at_the_root(body):
    return body


def in_a_child(body):
    return lambda ctx: ctx.run_in_child_context(body, name="child")


def in_a_virtual_child(body):
    return lambda ctx: ctx.run_in_child_context(body, name="child", virtual=True)


def in_nested_items(body):
    return lambda ctx: ctx.map(lambda child, item: body(child), [0, 1, 2]).results[0]


def in_flat_items(body):
    return lambda ctx: ctx.map(lambda child, item: body(child), [0, 1, 2], nesting=Nesting.FLAT).results[0]


def in_a_branch_of_a_child(body):
    return in_a_child(lambda ctx: ctx.parallel({"one": body}).results[0])


PLACES = [at_the_root, in_a_child, in_a_virtual_child, in_nested_items, in_flat_items, in_a_branch_of_a_child]


def version_1(ctx):
    before = ctx.step(lambda: "packed", name="pack")
    ctx.wait(60, name="dry")
    return [before, ctx.step(lambda: "by ship", name="ship")]


def version_2(ctx):
    flies = ctx.patched("ship-by-air")
    before = ctx.step(lambda: "packed", name="pack")
    if flies:
        ctx.step(lambda: "weighed", name="weigh")
    ctx.wait(60, name="dry")
    return [before, ctx.step(lambda: "by air", name="fly") if flies else ctx.step(lambda: "by ship", name="ship")]


def version_3(ctx):
    ctx.deprecate_patch("ship-by-air")
    before = ctx.step(lambda: "packed", name="pack")
    ctx.step(lambda: "weighed", name="weigh")
    ctx.wait(60, name="dry")
    return [before, ctx.step(lambda: "by air", name="fly")]


def unguarded(ctx):
    before = ctx.step(lambda: "packed", name="pack")
    ctx.step(lambda: "weighed", name="weigh")
    ctx.wait(60, name="dry")
    return [before, ctx.step(lambda: "by air", name="fly")]


OLD, NEW = ["packed", "by ship"], ["packed", "by air"]


@pytest.mark.parametrize("place", PLACES)
def test_an_execution_from_before_ends_on_the_old_way_and_a_new_one_takes_the_new(place):
    function = Deployed(place(version_1))
    old = function.start()
    assert old.status == "RUNNING"
    function.code = place(version_2)
    assert old.finish().result == OLD
    assert not [record for record in old.operations if record.sub_type == "Patch"]
    new = function.start().finish()
    assert (new.result, new.status) == (NEW, "SUCCEEDED")


@pytest.mark.parametrize("place", PLACES)
def test_an_execution_on_the_new_way_stays_there_when_the_question_is_withdrawn(place):
    function = Deployed(place(version_2), on_unconsumed="fail")
    run = function.start()
    function.code = place(version_3)
    assert (run.finish().result, run.error) == (NEW, None)
    assert function.start().finish().result == NEW


@pytest.mark.parametrize("place", PLACES)
def test_without_a_patch_the_change_is_detected(place):
    function = Deployed(place(version_1))
    run = function.start()
    function.code = place(unguarded)
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")
    assert "'weigh'" in run.error.error_message
    assert "test_changing_code.py" in run.error.error_message  # the file and line of the call


@pytest.mark.parametrize("place", PLACES)
def test_a_patch_shifts_no_ids(place):
    asked = []

    def counted(ctx):
        for name in asked:
            ctx.patched(name)
        return ctx.step(lambda: 1, name="s")

    plain = Deployed(place(counted)).start().finish()
    asked += ["one", "two"]
    patched = Deployed(place(counted)).start().finish()
    steps = [{record.id for record in run.operations if record.name == "s"} for run in (plain, patched)]
    assert steps[0] == steps[1]
    assert len(patched.operations) > len(plain.operations)


def test_an_execution_that_has_not_come_to_the_patch_takes_the_new_way():
    def before(ctx):
        ctx.wait(60)
        return "old"

    def after(ctx):
        ctx.wait(60)
        return "new" if ctx.patched("p") else "old"

    function = Deployed(before)
    run = function.start()
    function.code = after
    assert run.finish().result == "new"


def test_items_that_had_not_begun_take_the_new_way_and_those_that_had_the_old():
    def item(body):
        return lambda ctx: [r[-1] for r in ctx.map(lambda c, n: body(c), [0, 1], max_concurrency=1).results]

    function = Deployed(item(version_1))
    run = function.start()  # the first item waits, and keeps the only slot
    function.code = item(version_2)
    assert run.finish().result == ["by ship", "by air"]


def test_two_patches_are_told_apart():
    def neither(ctx):
        ctx.wait(60)
        ctx.wait(60)

    def both(ctx):
        first = ctx.patched("first")
        ctx.wait(60)
        ctx.wait(60)
        return [first, ctx.patched("second")]

    function = Deployed(neither)
    run = function.start()
    function.code = both
    assert run.finish().result == [False, True]


def test_the_mark_is_on_record_before_what_follows_from_it_whenever_the_process_dies():
    for call in (1, 2, 3):
        for when in ("before", "after"):
            function = Deployed(version_2)
            run = Served(function.handler, kills=[(call, when)]).finish()
            assert run.result == NEW
            told = [line for line in run.told if line != "STEP START pack"]
            assert told.index("STEP START ship-by-air") < told.index("STEP SUCCEED pack")


# -- found without a guard -------------------------------------------------------------------------------------------


def steps(*names):
    def code(ctx):
        for name in names:
            ctx.step(lambda: 1, name=name)
        ctx.wait(60)

    return code


def pick():
    return "picked"


def pack():
    return "packed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (steps("a", "b"), steps("b", "a")),
        (steps("a", "b"), steps("a", "c")),
        (steps("a", "b"), steps("a")),
        (steps("a"), steps("a", "b")),
        (lambda ctx: [ctx.step(pick), ctx.step(pack), ctx.wait(60)], lambda ctx: [ctx.step(pack), ctx.step(pick)]),
        (steps("a"), lambda ctx: [ctx.run_in_child_context(lambda c: 1, name="a"), ctx.wait(60)]),
        (steps("a"), lambda ctx: [ctx.step(lambda: 1, name="a", sub_type="Other"), ctx.wait(60)]),
        (
            lambda ctx: ctx.map(lambda c, n: c.wait(60), [1], name="m"),
            lambda ctx: ctx.parallel([lambda c: c.wait(60)], name="m"),
        ),
    ],
    ids=["swapped", "renamed", "removed", "inserted", "swapped unnamed", "another type", "another sub type", "map"],
)
def test_a_change_in_what_is_recorded_is_detected(before, after):
    function = Deployed(before)
    run = function.start()
    function.code = after
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


# -- never asked for -------------------------------------------------------------------------------------------------


def waits(ctx):
    ctx.step(lambda: 1, name="a")
    ctx.create_callback(name="unused")
    ctx.wait(60, name="w")


def shorter(ctx):
    return ctx.step(lambda: 1, name="a")


@pytest.mark.parametrize("policy", ["warn", "fail", "ignore"])
def test_operations_that_were_recorded_and_are_never_asked_for(policy):
    function = Deployed(waits, on_unconsumed=policy)
    run = function.start()
    function.code = shorter
    run.finish()
    warned = [
        line.getMessage() for line in run.logs if "without asking" in line.getMessage() and line.levelname == "WARNING"
    ]
    told = "callback 'unused', wait 'w'"
    if policy == "fail":
        assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")
        assert told in run.error.error_message
    else:
        assert (run.status, run.result) == ("SUCCEEDED", 1)
    assert [told in line for line in warned] == ([True] if policy == "warn" else [])


def branches(*names):
    return lambda ctx: ctx.parallel({name: (lambda c: c.wait(60)) for name in names}).success_count


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            lambda ctx: ctx.run_in_child_context(lambda c: [c.step(lambda: 1, name="s"), c.wait(60)], name="c"),
            lambda ctx: ctx.run_in_child_context(lambda c: c.step(lambda: 1, name="s"), name="c"),
        ),
        (
            lambda ctx: ctx.map(lambda c, n: [c.step(lambda: 1, name="s"), c.wait(60)], [0], nesting=Nesting.FLAT),
            lambda ctx: ctx.map(lambda c, n: c.step(lambda: 1, name="s"), [0], nesting=Nesting.FLAT).results,
        ),
    ],
    ids=["child", "flat item"],
)
def test_they_are_reported_inside_contexts_too(before, after):
    function = Deployed(before, on_unconsumed="fail")
    run = function.start()
    function.code = after
    run.finish()
    assert (run.status, run.error and run.error.error_type) == ("FAILED", "NonDeterminismError")


@pytest.mark.parametrize(
    "code",
    [
        lambda ctx: ctx.parallel([lambda c: c.wait(900), lambda c: 1 // 0]).status,
        lambda ctx: ctx.run_in_child_context(lambda c: [c.step(lambda: "x" * 300_000), "y"])[1],
        lambda ctx: ctx.map(lambda c, n: c.step(lambda: "x" * 300_000), [1, 2], nesting=Nesting.FLAT).status,
        lambda ctx: ctx.run_in_child_context(lambda c: [c.patched("p"), c.wait(60)], virtual=True)[0],
        lambda ctx: ctx.run_in_child_context(lambda c: c.create_callback(name="never asked") and None),
    ],
    ids=["cut-off branch", "large result", "large fan-out", "patch", "callback"],
)
def test_code_that_did_not_change_is_never_reported(code):
    def and_waits(ctx):
        told = code(ctx)
        ctx.wait(60)
        return told

    run = Deployed(and_waits, on_unconsumed="fail").start().finish()
    assert (run.status, run.error) == ("SUCCEEDED", None)


def test_leftovers_in_a_context_are_told_once_and_also_when_the_execution_goes_on_waiting():
    def before(ctx):
        ctx.run_in_child_context(waits, name="c")
        ctx.wait(60)

    def after(ctx):
        ctx.run_in_child_context(shorter, name="c")
        ctx.wait(60)

    function = Deployed(before)
    run = function.start()
    function.code = after
    assert run.finish().status == "SUCCEEDED"
    warned = [record.getMessage() for record in run.logs if "without asking" in record.getMessage()]
    assert ["callback 'unused'" in line for line in warned] == [True]
