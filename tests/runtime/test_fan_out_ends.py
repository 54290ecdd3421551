"""How a fan-out ends: completion, failures, and what is no failure of a branch.

See docs/contributing/protocol.md#completion-rules, #failures-in-branches.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from powertools_durable import (
    BatchError,
    ChildContextError,
    Completion,
    DurableConfig,
    Nesting,
    Retry,
    StepSemantics,
    durable,
)
from powertools_durable.errors import RetryableSerDesError
from powertools_durable.testing import Simulator
from tests.runtime.rig import Served

NESTINGS = [Nesting.NESTED, Nesting.FLAT]


def fails(child, words="no"):
    raise KeyError(words)


def quick(child):
    return child.step(lambda: "quick")


def endless(child):
    return endless(child)


def told(result):
    return [result.completion_reason, [item.status for item in result], result.total_count]


# -- early completion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
def test_the_first_success_ends_it_and_what_waits_is_cut_off(nesting):
    resumed = []

    def slow(child):
        child.wait(3600)
        resumed.append(1)

    @durable
    def handler(event, ctx):
        first = ctx.parallel([slow, quick], completion=Completion.first_successful(), nesting=nesting)
        ctx.wait(60)
        return told(first)

    run = Served(handler).finish()
    assert run.result == ["MIN_SUCCESSFUL_REACHED", ["STARTED", "SUCCEEDED"], 2]
    assert (resumed, len(run.invocations)) == ([], 2)


@pytest.mark.parametrize("nesting", NESTINGS)
def test_branches_that_still_run_stop_at_their_next_operation_and_record_nothing(nesting):
    over, after = threading.Event(), []

    def straggler(child):
        child.step(over.wait, 60)
        after.append("code between operations")
        child.step(lambda: after.append("step"))

    @durable
    def handler(event, ctx):
        first = ctx.parallel([straggler, quick], completion=Completion.first_successful(), nesting=nesting)
        ctx.step(lambda: 1, name="after")
        over.set()
        return told(first)

    run = Served(handler).finish()
    assert run.result == ["MIN_SUCCESSFUL_REACHED", ["STARTED", "SUCCEEDED"], 2]
    assert after == []
    ended = run.told.index("CONTEXT SUCCEED None")
    assert run.told[ended + 1 :] == ["STEP START after", "STEP SUCCEED after"]


def test_an_orphan_below_an_orphan_stops_too():
    over, after = threading.Event(), []

    def leaf(child, n):
        child.step(over.wait, 60)
        child.step(lambda: after.append(n))

    def straggler(child):
        child.run_in_child_context(lambda inner: inner.map(leaf, [1, 2, 3]))
        after.append("middle")

    @durable
    def handler(event, ctx):
        ctx.parallel([straggler, quick], completion=Completion.first_successful(), name="outer")
        over.set()
        ctx.step(lambda: 1, name="after")

    run = Served(handler).finish()
    assert (run.status, after) == ("SUCCEEDED", [])
    ended = run.told.index("CONTEXT SUCCEED outer")
    assert run.told[ended + 1 :] == ["STEP START after", "STEP SUCCEED after"]


def test_an_at_most_once_step_whose_start_is_sent_with_the_end_of_its_fan_out_never_runs():
    go, branches, ran = threading.Event(), [], []

    def once(child):
        branches.append(child)
        go.wait(60)
        child.step(ran.append, 1, name="once", semantics=StepSemantics.AT_MOST_ONCE)

    @durable
    def handler(event, ctx):
        ctx.parallel([once, quick], completion=Completion.first_successful())

    class Slow(Served):
        def _called(self, call, when):
            super()._called(call, when)
            if not go.is_set():
                go.set()
                while not branches[0].replay_engine.pending:  # until it is behind the first request
                    time.sleep(0.001)

    run = Slow(handler).finish()
    assert {"STEP START once", "CONTEXT SUCCEED None"} <= set(run.backend.told[1])
    assert (run.status, ran) == ("SUCCEEDED", [])


def test_a_branch_that_no_thread_has_begun_never_begins_once_it_is_complete():
    over, begun = threading.Event(), threading.Event()
    blocks = lambda child: child.step(over.wait, 60)  # noqa: E731

    @durable(config=DurableConfig(max_threads=1))
    def handler(event, ctx):
        ctx.parallel([quick, blocks, lambda child: begun.set()], completion=Completion.first_successful())
        over.set()  # the only thread is free again, and has time
        return ctx.step(begun.wait, 0.2)

    assert Simulator(handler).start().finish().result is False


def test_an_invocation_ends_when_the_bodies_that_still_run_have():
    over, ended = threading.Event(), []

    def body():
        over.wait(60)
        time.sleep(0.1)
        ended.append(1)

    @durable
    def handler(event, ctx):
        ctx.parallel([lambda child: child.step(body), quick], completion=Completion.first_successful())
        over.set()

    Simulator(handler).start()
    assert ended == [1]


def test_nothing_is_admitted_once_it_is_complete():
    ran = []

    def body(child, n):
        ran.append(n)
        return child.step(lambda: n)

    @durable
    def handler(event, ctx):
        return told(ctx.map(body, list(range(50)), max_concurrency=1, completion=Completion(min_successful=3)))

    assert Simulator(handler).start().finish().result == ["MIN_SUCCESSFUL_REACHED", ["SUCCEEDED"] * 3, 3]
    assert ran == [0, 1, 2]


def test_a_completed_fan_out_tells_the_same_on_every_replay():
    seen = []

    @durable
    def handler(event, ctx):
        result = ctx.parallel(
            [quick, fails, lambda c: c.wait(3600), quick], completion=Completion(min_successful=2), max_concurrency=4
        )
        seen.append([(i.index, i.name, i.status, i.result, i.error and str(i.error)) for i in result])
        ctx.wait(60)
        return told(result)

    run = Simulator(handler).start().finish()
    assert run.result == ["MIN_SUCCESSFUL_REACHED", ["SUCCEEDED", "FAILED", "STARTED", "SUCCEEDED"], 4]
    assert len(seen) == 2
    assert seen[0] == seen[1]


# -- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_failed_branch_is_told_with_the_type_and_words_of_what_it_raised(nesting):
    @durable
    def handler(event, ctx):
        result = ctx.map(fails, ["a"], completion=Completion.all_completed(), nesting=nesting)
        (error,) = result.errors
        ctx.wait(1)
        return [type(error) is ChildContextError, error.error_type, error.message, result.status]

    run = Served(handler).finish()
    assert run.result == [True, "KeyError", "'a'", "FAILED"]


def test_a_fan_out_with_failures_succeeds_and_raises_them_only_when_asked():
    @durable
    def handler(event, ctx):
        result = ctx.parallel([quick, fails])
        try:
            result.raise_if_failed()
        except ChildContextError as error:
            return error.error_type

    run = Simulator(handler).start().finish()
    assert (run.result, run.operations[0].status) == ("KeyError", "SUCCEEDED")


def test_a_rule_that_says_failed_without_a_failed_branch_is_an_error_of_its_own():
    @durable
    def handler(event, ctx):
        result = ctx.parallel([quick], completion=Completion(when=lambda s: "failed" if s.succeeded else None))
        with pytest.raises(BatchError):
            result.raise_if_failed()
        return told(result)

    assert Simulator(handler).start().finish().result == ["CUSTOM_COMPLETION_FAILED", ["SUCCEEDED"], 1]


def test_a_rule_that_raises_fails_the_fan_out():
    @durable
    def handler(event, ctx):
        try:
            ctx.parallel([quick, quick], completion=Completion(when=lambda s: 1 // (1 - s.succeeded) and None))
        except ChildContextError as error:
            return error.error_type

    assert Simulator(handler).start().finish().result == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("tolerated", "reason"),
    [(0, "FAILURE_TOLERANCE_EXCEEDED"), (1, "FAILURE_TOLERANCE_EXCEEDED"), (2, "ALL_COMPLETED")],
)
def test_tolerance_is_exceeded_by_more_failures_than_it_says(tolerated, reason):
    def body(child, n):
        return fails(child) if n % 2 else quick(child)

    @durable
    def handler(event, ctx):
        done = Completion(tolerated_failure_count=tolerated)
        return ctx.map(body, [0, 1, 2, 3], completion=done, max_concurrency=1).completion_reason

    assert Simulator(handler).start().finish().result == reason


@pytest.mark.parametrize("nesting", NESTINGS)
def test_without_branches_it_is_complete_and_recorded(nesting):
    @durable
    def handler(event, ctx):
        return [
            told(ctx.map(lambda child, _: quick(child), [], name="quick", nesting=nesting)),
            told(ctx.parallel([], nesting=nesting)),
        ]

    run = Served(handler).finish()
    assert run.result == [["ALL_COMPLETED", [], 0]] * 2
    assert run.told == ["CONTEXT START quick", "CONTEXT SUCCEED quick", "CONTEXT START None", "CONTEXT SUCCEED None"]


# -- what is nobody's failure ----------------------------------------------------------------------------------


class Away:
    """A serdes whose storage is not there the first time."""

    def __init__(self):
        self.calls = 0

    def serialize(self, value, context):
        self.calls += 1
        if self.calls == 1:
            raise RetryableSerDesError("storage is away")
        return value

    def deserialize(self, text, context):
        return text


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("kind", ["memory", "exit", "serdes", "item serdes"])
def test_what_another_invocation_may_heal_fails_this_one_and_no_branch(kind, nesting):
    died, storage = [], Away()

    def dies():
        if not died and kind in {"memory", "exit"}:
            died.append(1)
            raise MemoryError if kind == "memory" else SystemExit(1)
        return "alive"

    def body(child, n):
        return "away" if kind == "item serdes" else child.step(dies, serdes=storage if kind == "serdes" else None)

    @durable
    def handler(event, ctx):
        item_serdes = storage if kind == "item serdes" else None
        done = Completion.all_completed()
        return ctx.map(body, [0, 1], nesting=nesting, completion=done, item_serdes=item_serdes).success_count

    run = Simulator(handler).start()
    first = run.invocations[0].answer
    assert first.error_type == {"memory": "MemoryError", "exit": "SystemExit"}.get(kind, "RetryableSerDesError")
    assert run.finish().result == 2
    assert not [operation for operation in run.operations if operation.status == "FAILED"]


@pytest.mark.parametrize("below", [False, True], ids=["beside", "in a fan-out of its own"])
def test_what_runs_beside_a_branch_that_ends_the_invocation_stops_at_its_next_operation(below):
    died, over, after = [], threading.Event(), []

    def dies(child):
        if not died:
            died.append(1)
            raise MemoryError

    def straggler(child):
        child.step(over.wait, 60)
        after.append(len(run.invocations))
        child.step(lambda: None)

    @durable
    def handler(event, ctx):
        beside = (lambda child: child.parallel([straggler]).success_count) if below else straggler
        try:
            return ctx.parallel([beside, dies]).success_count
        finally:
            over.set()  # only now, with the invocation at its end, the straggler goes on

    run = Served(handler)
    assert run.finish().result == 2
    assert after == [1]  # not in invocation 0


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize(
    ("misuse", "error_type"),
    [
        (lambda child, n: child.wait(0), "ValidationError"),
        (lambda child, n: child.step(child.step, lambda: 1), "ValidationError"),
        (lambda child, n: endless(child), "RecursionError"),
    ],
    ids=["argument", "operation in a step", "recursion"],
)
def test_misuse_in_a_branch_fails_the_execution_whatever_is_tolerated(misuse, error_type, nesting):
    @durable
    def handler(event, ctx):
        return ctx.map(misuse, [0, 1], nesting=nesting, completion=Completion.all_completed()).failure_count

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", error_type)


@pytest.mark.parametrize("nesting", NESTINGS)
def test_changed_code_in_a_branch_fails_the_execution_whatever_is_tolerated(nesting):
    version = []

    def body(child, n):
        child.step(lambda: n, name="new" if version else "old")
        child.wait(5)

    @durable
    def handler(event, ctx):
        return ctx.map(body, [0, 1, 2], nesting=nesting, completion=Completion.all_completed()).failure_count

    run = Simulator(handler).start()
    version.append(2)
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


@pytest.mark.parametrize(("before", "after"), [(Nesting.NESTED, Nesting.FLAT), (Nesting.FLAT, Nesting.NESTED)])
def test_changed_nesting_is_detected(before, after):
    nesting = [before]

    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.wait(5), [0, 1], nesting=nesting[-1]).success_count

    run = Simulator(handler).start()
    nesting.append(after)
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


@pytest.mark.parametrize("nesting", NESTINGS)
def test_fewer_inputs_than_recorded_are_detected(nesting):
    items = [0, 1, 2]

    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.wait(5), items, nesting=nesting).success_count

    run = Simulator(handler).start()
    items.pop()
    run.finish()
    assert (run.status, run.error and run.error.error_type) == ("FAILED", "NonDeterminismError")


def test_another_order_of_named_inputs_is_detected():
    items = ["ada", "bob"]

    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.wait(5), items, item_name=lambda item, index: item).success_count

    run = Simulator(handler).start()
    items.reverse()
    run.finish()
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")


# -- late ------------------------------------------------------------------------------------------------------


def test_row_10_a_branch_that_does_not_end_is_left_before_the_invocation_must_end():
    over, other, late = threading.Event(), threading.Event(), []

    def body():
        if not late:
            late.append(1)
            other.wait(60)  # from here on nobody but the fan-out itself waits
            run.clock.move_to(run.now + timedelta(seconds=1000))  # past the invocation's timeout
            over.wait(60)
        return "ok"

    def ends(child):
        value = quick(child)
        other.set()
        return value

    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda child: child.step(body), ends]).results

    run = Served(handler)
    run.settle()
    over.set()
    answer = run.invocations[0].answer
    assert (answer.error_type, answer.error_message) == ("BackendError", "the invocation ends while branches still run")
    assert run.finish().result == ["ok", "quick"]


# -- killed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 9))
def test_killed_around_any_call_it_ends_with_the_same_result(call, when, nesting):
    acknowledged = []

    def body(child, n):
        value = child.step(lambda: acknowledged.append(n) or n, name=f"s{n}", retry=Retry.none())
        if n % 2:
            child.wait(5)
        return value + child.step(lambda: 100, name=f"t{n}")

    @durable(config=DurableConfig(max_threads=2))
    def handler(event, ctx):
        return ctx.map(body, [0, 1, 2, 3], nesting=nesting, max_concurrency=2).results

    run = Served(handler, kills=[(call, when)]).finish()
    assert (run.status, run.result) == ("SUCCEEDED", [100, 101, 102, 103])
    heard = [line for line in run.told if line.startswith("STEP SUCCEED")]
    assert when == "before" or len(heard) == len(set(heard))  # what was acknowledged was never sent again
