"""A seed decides everything, and nothing is left of a run."""

from __future__ import annotations

import gc
import itertools
import weakref
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Completion, DurableConfig, Retry, durable
from powertools_durable.testing import Simulator, explore, spend
from powertools_durable.testing.crash_testing.budget import Budget
from powertools_durable.testing.crash_testing.explorer import _Explorer
from tests.leaks import started_threads
from tests.properties.bodies import LEDGER
from tests.properties.making import Maker, Seeded
from tests.properties.programs import Line, Written, callbacks_of, functions_of, lines_of
from tests.size import tenth


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


@pytest.mark.slow
@settings(max_examples=tenth(15))
@given(seed=st.integers())
def test_any_seed_does(seed):
    assert ran(seed).trace_hash == ran(seed).trace_hash


# -- threads --------------------------------------------------------------------------------------------------

FAN_OUTS = {"parallel", "flat", "map", "tolerant", "raced", "crowd"}


def fan_outs(seed):
    """Write a program with at least two fan-outs in it."""
    made = (Maker(Seeded(Random(n)), gestures=False, rare=False).program() for n in itertools.count(1_000 * seed))
    return next(program for program in made if sum(line.kind in FAN_OUTS for line in lines_of(program)) > 1)


def traced(program, max_threads, seed=0):
    """Return what a run tells on the wire, and in which order its bodies did something."""
    handler = durable(config=DurableConfig(max_threads=max_threads))(Written(program).handler.__wrapped__)
    LEDGER.clear()
    run = Simulator(handler, functions=functions_of(program), seed=seed).start()
    answers = callbacks_of(program)
    while run.status == "RUNNING":
        name = next((name for name in answers if next(iter(run.open_callbacks_called(name)), None)), None)
        if name is None:
            run.step()
        else:
            run.callback(name).succeed(answers[name])
    assert not run.threads.lost_baton
    return run.trace_hash, [(entry.effect, entry.operation_id) for entry in LEDGER]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("max_threads", [1, 4])
@pytest.mark.parametrize("seed", range(18))
def test_the_same_seed_gives_the_same_trace_of_fan_outs_inside_fan_outs(seed, max_threads):
    program = fan_outs(seed)
    first = traced(program, max_threads, seed)
    assert traced(program, max_threads, seed) == first
    assert traced(program, max_threads, seed) == first


STEPS = (Line("step", "one"), Line("step", "two"))


def test_another_seed_gives_another_interleaving():
    program = (Line("map", "all", 3, (STEPS,)),)
    assert len({tuple(traced(program, 4, seed)[1]) for seed in range(20)}) > 5


@pytest.mark.sampled(1)
@pytest.mark.parametrize("most", [1, 32])
def test_what_an_early_end_cuts_off_is_the_same_for_the_same_seed(most):
    def race(ctx, name):
        for n in range(3):
            ctx.step(lambda: None, name=f"{name}{n}")
            if n == 1 and name == "d":
                ctx.wait(5)
        return name

    @durable(config=DurableConfig(max_threads=most))
    def handler(event, ctx):
        return ctx.map(race, list("abcdef"), completion=Completion.first_successful()).results

    def ran(seed):
        run = Simulator(handler, seed=seed).start().finish()
        return run.trace_hash, [(op.name, op.status) for op in run.operations], run.result

    runs = [ran(seed) for seed in range(15)]
    assert runs == [ran(seed) for seed in range(15)]
    if most > 1:
        assert len({str(result) for _, _, result in runs}) > 1


@pytest.mark.slow
def test_two_explorations_of_a_fan_out_find_the_same_moments_in_the_same_order():
    program = (Line("map", "all", 3, (STEPS,)), Line("raced", "race", 1))

    def explored():
        found = explore(Written(program).handler, ledger=LEDGER)
        assert not found.failures
        return found.crash_points

    first = explored()
    assert len(first) > 30
    assert explored() == first


@pytest.mark.slow
def test_a_process_dies_at_the_very_moment_that_the_run_before_had_there():
    died = []

    class Noting(_Explorer):
        def _try(self, plan):
            outcome = super()._try(plan)
            died.append((plan.kills, outcome.killed))
            return outcome

    handler = Written((Line("map", "all", 3, (STEPS,)),)).handler
    found = Noting(Simulator(handler), None, LEDGER, {}, Budget(None, 0, None)).explore(1)
    singles = [(kills[0], killed) for kills, killed in died if len(kills) == 1]
    usual = singles[: next(n for n, (number, _) in enumerate(singles) if n != number)]
    assert len(usual) > 10
    assert [killed for _, killed in usual] == [[point] for point in found.crash_points[: len(usual)]]


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


def fans_out(event, ctx):
    return ctx.map(lambda child, n: child.step(lambda: n), range(8)).results


def cuts_off(event, ctx):
    def branch(child, n):
        child.step(lambda: n)
        child.step(lambda: n)

    return ctx.map(branch, range(8), completion=Completion.first_successful()).reason


def dies_in_a_branch(event, ctx):
    def branch(child, n):
        child.step(lambda: n)
        if n == 3:
            raise SystemExit

    ctx.map(branch, range(8))


def takes_too_long_in_a_branch(event, ctx):
    ctx.map(lambda child, n: child.step(spend, 1_000 if n == 3 else 1), range(8))


def leaves_a_body_behind(event, ctx):
    ctx.step(spend, 20, timeout=10, retry=Retry.none())


def leaves_bodies_behind_in_branches(event, ctx):
    ctx.map(lambda child, n: child.step(spend, 7 * n, timeout=10, retry=Retry.none()), range(4))


ENDS = (succeeds, fails, suspends, dies, misuses, holds_back)
THREADED = (fans_out, cuts_off, dies_in_a_branch, takes_too_long_in_a_branch, leaves_a_body_behind)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "function", [*ENDS, *THREADED, leaves_bodies_behind_in_branches], ids=lambda function: function.__name__
)
def test_no_thread_outlives_a_push(function, seed):
    with started_threads() as started:
        run = Simulator(durable(function), seed=seed).start()
        assert started.alive == []
        for _ in range(3):
            run.step()
            assert started.alive == []
    assert not run.threads.lost_baton


@pytest.mark.slow
def test_no_thread_outlives_a_process_that_is_killed():
    with started_threads() as started:
        explore(durable(fans_out))
    assert len(started.names) > 1
    assert started.alive == []


def test_a_run_that_nobody_holds_is_forgotten():
    run = Simulator(durable(suspends)).start()
    watched = weakref.ref(run)
    del run
    gc.collect()
    assert watched() is None
