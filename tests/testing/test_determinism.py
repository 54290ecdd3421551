"""A seed decides everything, and nothing is left of a run."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Retry, durable
from powertools_durable.testing import Simulator


def handler_of(attempts):
    def flaky():
        attempts.append(1)
        if len(attempts) % 3:
            raise TimeoutError

    @durable
    def handler(event, ctx):
        ctx.step(flaky, name="flaky", retry=Retry(max_attempts=5, initial_delay=100))
        callback = ctx.create_callback(name="approval")
        with ctx.batch():
            for n in range(3):
                ctx.step(lambda n=n: n)
        ctx.run_in_child_context(lambda child: child.wait(60), name="child")
        return [callback.result(), str(ctx.uuid4()), ctx.random.random(), str(ctx.now())]

    return handler


def ran(seed):
    run = Simulator(handler_of([]), seed=seed).start({"id": 42}).finish()
    run.callback("approval").succeed("yes").finish()
    assert run.status == "SUCCEEDED", run.error
    return run


def seen(run):
    return [run.arn, run.history(), run.operations, run.result, [(i.event, i.answer) for i in run.invocations]]


def test_the_same_seed_gives_the_same_ids_tokens_moments_and_answers():
    first, second = ran(7), ran(7)
    assert seen(first) == seen(second)
    assert first.trace_hash == second.trace_hash


def test_another_seed_gives_another_run_of_the_same_handler():
    first, second = ran(7), ran(8)
    assert first.arn != second.arn
    assert first.now != second.now  # jitter
    ids = [run.operation("approval").callback_details.callback_id for run in (first, second)]
    tokens = [run.invocations[0].event["CheckpointToken"] for run in (first, second)]
    assert len({*ids, *tokens}) == 4
    assert first.trace_hash != second.trace_hash
    assert [op.id for op in first.operations] == [op.id for op in second.operations]


def test_executions_of_one_simulator_differ_and_do_not_depend_on_how_far_the_others_are():
    def pair(finish_first):
        simulator = Simulator(handler_of([]), seed=7)
        first = simulator.start()
        if finish_first:
            first.finish()
        return first, simulator.start(), simulator

    (first, second, _), (_, again, _) = pair(finish_first=True), pair(finish_first=False)
    assert first.arn != second.arn
    assert second.arn == again.arn


@settings(max_examples=15)
@given(seed=st.integers())
def test_any_seed_does(seed):
    assert ran(seed).trace_hash == ran(seed).trace_hash


# -- nothing is left ------------------------------------------------------------------------------------------


def succeeds(event, ctx):
    return ctx.step(lambda: 1)


def fails(event, ctx):
    ctx.step(lambda: 1)
    raise ValueError


def suspends(event, ctx):
    ctx.step(lambda: 1)
    ctx.create_callback(name="never").result()


def dies(event, ctx):
    ctx.step(lambda: 1)
    raise SystemExit


def misuses(event, ctx):
    ctx.step(lambda: ctx.wait(1), name="outer")


def holds_back(event, ctx):
    ctx.enable_batch_mode()
    ctx.step(lambda: 1)
    raise SystemExit


@pytest.mark.parametrize("function", [succeeds, fails, suspends, dies, misuses, holds_back], ids=lambda f: f.__name__)
def test_no_thread_outlives_a_push(function):
    before = set(threading.enumerate())
    run = Simulator(durable(function)).start()
    assert set(threading.enumerate()) == before
    run.finish()
    assert set(threading.enumerate()) == before


def test_a_run_that_nobody_holds_is_forgotten():
    run = Simulator(durable(suspends)).start()
    watched = weakref.ref(run)
    del run
    gc.collect()
    assert watched() is None
