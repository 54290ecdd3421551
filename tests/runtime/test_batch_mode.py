"""Batch mode on whole executions (docs/contributing/protocol.md#batch-mode); `tests/seed` holds its single gestures."""

from __future__ import annotations

import pytest

from powertools_durable import Retry, StepSemantics, durable
from powertools_durable._service.host import Killed
from tests.runtime.rig import Served


def calls(run):
    return len(run.backend.requests)


def test_a_hundred_quick_steps_in_one_block_take_one_call():
    @durable
    def handler(event, ctx):
        with ctx.batch():
            return sum(ctx.step(lambda n=n: n) for n in range(100))

    run = Served(handler).finish()
    assert (run.result, calls(run), len(run.backend.updates)) == (4950, 1, 200)


def test_without_it_they_take_one_call_each():
    @durable
    def handler(event, ctx):
        return sum(ctx.step(lambda n=n: n) for n in range(10))

    assert calls(Served(handler).finish()) == 10


def test_more_than_a_request_holds_are_sent_in_order_in_several():
    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        return [ctx.step(lambda n=n: n, name=f"s{n}") for n in range(300)][-1]

    run = Served(handler).finish()
    assert run.told == [f"STEP {action} s{n}" for n in range(300) for action in ("START", "SUCCEED")]
    assert all(len(request) <= 250 for request in run.backend.told)
    assert calls(run) == 3


def test_a_replay_sends_nothing_again():
    ran = []

    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        for n in range(5):
            ctx.step(lambda n=n: ran.append(n), name=f"s{n}")
        ctx.wait(60)
        return ctx.step(lambda: "last", name="last")

    run = Served(handler).finish()
    assert (run.result, ran, calls(run)) == ("last", [0, 1, 2, 3, 4], 2)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda ctx: ctx.wait(1, name="x"), "WAIT START x"),
        (lambda ctx: ctx.create_callback(name="x"), "CALLBACK START x"),
        (lambda ctx: ctx.step(lambda: 1, semantics=StepSemantics.AT_MOST_ONCE, name="x"), "STEP START x"),
        (lambda ctx: ctx.run_in_child_context(lambda child: 1, name="x"), "CONTEXT START x"),
        (lambda ctx: ctx.map(lambda child, n: n, [1], name="x"), "CONTEXT START x"),
    ],
    ids=["wait", "callback", "at most once", "child context", "map"],
)
def test_whatever_needs_an_answer_takes_what_is_held_back_along_in_front(call, line):
    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        ctx.step(lambda: 1, name="held")
        call(ctx)

    run = Served(handler).finish()
    assert run.status == "SUCCEEDED"
    assert run.backend.told[0][:3] == ["STEP START held", "STEP SUCCEED held", line]


def test_a_retry_sends_what_is_held_back_and_the_delay_starts():
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise OSError

    @durable
    def handler(event, ctx):
        with ctx.batch():
            ctx.step(lambda: 1, name="held")
            ctx.step(flaky, name="flaky", retry=Retry.fixed(5))

    run = Served(handler).finish()
    assert run.status == "SUCCEEDED"
    assert run.backend.told[0] == ["STEP START held", "STEP SUCCEED held", "STEP START flaky", "STEP RETRY flaky"]


def test_a_block_that_raises_sends_what_it_held_back():
    @durable
    def handler(event, ctx):
        with ctx.batch():
            ctx.step(lambda: 1, name="held")
            raise ValueError("no")

    run = Served(handler).finish()
    assert (run.error.error_type, run.told) == ("ValueError", ["STEP START held", "STEP SUCCEED held"])


def test_what_a_killed_process_held_back_runs_again_and_what_it_had_sent_does_not():
    ran = []

    @durable
    def handler(event, ctx):
        with ctx.batch():
            ctx.step(lambda: ran.append("sent"), name="sent")
        with ctx.batch():
            ctx.step(lambda: ran.append("held"), name="held")
            if ran.count("held") == 1:
                raise Killed

    run = Served(handler).finish()
    assert (run.status, ran) == ("SUCCEEDED", ["sent", "held", "held"])


def test_a_branch_has_a_batch_mode_of_its_own():
    def body(child, n):
        before = child.is_batch_mode
        with child.batch():
            child.step(lambda: n, name=f"{n}a")
            child.step(lambda: n, name=f"{n}b")
        return before

    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        return ctx.map(body, [0, 1]).results

    run = Served(handler).finish()
    assert run.result == [False, False]
    for n in "01":
        mine = [line for line in run.told if line.startswith("STEP") and line.split()[-1][0] == n]
        assert mine == [f"STEP {action} {n}{letter}" for letter in "ab" for action in ("START", "SUCCEED")]


def test_what_is_held_back_is_counted_and_zero_after_a_flush():
    seen = []

    @durable
    def handler(event, ctx):
        ctx.enable_batch_mode()
        for n in range(3):
            ctx.step(lambda n=n: n)
            seen.append(ctx.pending_update_count)
        ctx.flush_batch()
        seen.append(ctx.pending_update_count)

    run = Served(handler).finish()
    assert (seen, calls(run)) == ([2, 4, 6, 0], 1)
