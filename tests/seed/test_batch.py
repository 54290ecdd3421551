"""Batch mode: a context's steps wait for company (docs/contributing/protocol.md#batch-mode)."""

from __future__ import annotations

import contextlib

import pytest

from powertools_durable import Retry, StepError, StepSemantics, durable
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing import Simulator
from tests.seed.rig import Rig

BOTH = ["STEP START {0}", "STEP SUCCEED {0}"]


def both(*names):
    return [line.format(name) for name in names for line in BOTH]


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.close()


def fails():
    raise ValueError("no")


def test_it_is_off_until_it_is_enabled(rig):
    context = rig.context()
    assert not context.is_batch_mode
    context.step(lambda: 1, name="alone")
    context.enable_batch_mode()
    assert context.is_batch_mode
    assert rig.backend.told == [both("alone")]


def test_updates_are_held_and_counted_until_they_are_flushed_in_one_request(rig):
    context = rig.context()
    context.enable_batch_mode()
    assert [context.step(lambda n=n: n, name=f"s{n}") for n in range(3)] == [0, 1, 2]
    assert (context.pending_update_count, rig.backend.told) == (6, [])
    context.flush_batch()
    assert (context.pending_update_count, rig.backend.told) == (0, [both("s0", "s1", "s2")])


def test_a_failed_step_is_held_too_and_raises_at_once(rig):
    context = rig.context()
    context.enable_batch_mode()
    with pytest.raises(StepError):
        context.step(fails, retry=Retry.none(), name="f")
    assert (context.pending_update_count, rig.backend.told) == (2, [])
    context.flush_batch()
    assert rig.backend.told == [["STEP START f", "STEP FAIL f"]]


def test_a_flush_without_anything_held_back_makes_no_call(rig):
    context = rig.context()
    context.flush_batch()
    context.enable_batch_mode()
    context.flush_batch()
    assert rig.backend.requests == []


def test_a_flush_takes_the_new_token(rig):
    context = rig.context()
    context.enable_batch_mode()
    context.step(lambda: 1)
    before = context.checkpoint_token
    context.flush_batch()
    context.step(lambda: 2)
    context.flush_batch()
    first, second = (token for token, _ in rig.backend.requests)
    assert first == before != second


def test_what_was_not_flushed_runs_again_after_a_crash(rig):
    runs = []
    context = rig.context()
    context.enable_batch_mode()
    context.step(lambda: runs.append("flushed"), name="flushed")
    context.flush_batch()
    context.step(lambda: runs.append("held"), name="held")
    again = rig.context()  # the other one's process has died
    again.step(lambda: runs.append("flushed"), name="flushed")
    again.step(lambda: runs.append("held"), name="held")
    assert runs == ["flushed", "held", "held"]


# -- what flushes by itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "last"),
    [
        (lambda ctx: ctx.wait(60, name="x"), "WAIT START x"),
        (lambda ctx: ctx.create_callback(name="x"), "CALLBACK START x"),
        (lambda ctx: ctx.run_in_child_context(lambda _: 1, name="x"), "CONTEXT SUCCEED x"),
        (lambda ctx: ctx.step(lambda: 1, semantics=StepSemantics.AT_MOST_ONCE, name="x"), "STEP START x"),
        (lambda ctx: ctx.step(fails, name="x"), "STEP RETRY x"),
    ],
    ids=["wait", "callback", "child context", "at-most-once step", "retry"],
)
def test_an_operation_that_needs_an_answer_takes_what_is_held_with_it_in_order(call, last):
    rig = Rig()
    context = rig.context()
    context.enable_batch_mode()
    context.step(lambda: 1, name="held")
    try:
        call(context)
    except SuspendExecution:
        pass
    told = [line for request in rig.backend.told for line in request]
    assert told[:2] == both("held")
    assert last in told
    assert context.pending_update_count == 0
    rig.close()


def test_at_most_once_steps_are_exempt(rig):
    context = rig.context()
    context.enable_batch_mode()
    told = []
    context.step(lambda: told.extend(rig.backend.told), semantics=StepSemantics.AT_MOST_ONCE, name="once")
    assert told == [["STEP START once"]]  # on record before the body runs
    assert rig.backend.told == [["STEP START once"], ["STEP SUCCEED once"]]


@pytest.mark.parametrize("ending", ["returns", "raises", "suspends"])
def test_the_end_of_an_invocation_flushes(ending):
    runs = []

    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        ctx.step(lambda: runs.append(1), name="held")
        if ending == "raises":
            raise ValueError("no")
        if ending == "suspends":
            ctx.create_callback(name="go").result()

    run = Simulator(handler).start()
    assert run.operation("held").status == "SUCCEEDED"
    assert run.status == {"returns": "SUCCEEDED", "raises": "FAILED", "suspends": "RUNNING"}[ending]
    assert runs == [1]


# -- scope ----------------------------------------------------------------------------------------------------


def test_a_child_context_starts_without_it(rig):
    context = rig.context()
    context.enable_batch_mode()
    assert not context.run_in_child_context(lambda child: child.is_batch_mode)


def test_a_block_enables_it_and_flushes_when_it_ends(rig):
    context = rig.context()
    with context.batch():
        assert context.is_batch_mode
        context.step(lambda: 1, name="a")
        context.step(lambda: 2, name="b")
        assert rig.backend.told == []
    assert (context.is_batch_mode, rig.backend.told) == (False, [both("a", "b")])


def test_a_block_that_raises_flushes_too(rig):
    context = rig.context()
    with contextlib.suppress(KeyError), context.batch():
        context.step(lambda: 1, name="a")
        raise KeyError
    assert (context.is_batch_mode, rig.backend.told) == (False, [both("a")])


def test_a_block_inside_batch_mode_flushes_and_leaves_it_on(rig):
    context = rig.context()
    context.enable_batch_mode()
    with context.batch():
        context.step(lambda: 1, name="a")
    assert (context.is_batch_mode, rig.backend.told) == (True, [both("a")])


def test_a_suspension_inside_a_block_is_one_and_nothing_is_lost():
    runs = []

    @durable
    def handler(event, ctx):
        with ctx.batch():
            ctx.step(lambda: runs.append("a"), name="a")
            ctx.wait(60)
            ctx.step(lambda: runs.append("b"), name="b")
        return ctx.is_batch_mode

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, runs) == ("SUCCEEDED", False, ["a", "b"])
