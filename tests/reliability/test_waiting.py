"""Early ends, clocks that disagree, and answers that come at a bad moment.

See docs/reliability.md#fault-rows, rows 63 to 70.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, timedelta
from random import Random

import pytest

from powertools_durable import Completion, DurableConfig, Retry, StepSemantics, durable
from powertools_durable._protocol.operation import OperationStatus, OperationType
from powertools_durable._runtime import pool
from powertools_durable._runtime.environment import Environment, SystemClock
from powertools_durable._service.clock import VirtualClock, WallClock
from tests.reliability.rig import Run
from tests.waiting import pass_time

FIRST = Completion.first_successful()
ONCE = StepSemantics.AT_MOST_ONCE


@pytest.fixture(autouse=True)
def frequent_looks(monkeypatch):
    """Whoever waits for virtual time looks at the clock more often than once in a second of real time."""
    monkeypatch.setattr(pool, "_MAX_SLEEP", 0.02)


# -- rows 63, 64: a fan-out that is complete before its branches are ------------------------------------------------


def waits_long(child):
    child.wait(600, name="long")
    child.step(lambda: "late", name="late")


def quick(child):
    return child.step(lambda: "quick", name="quick")


def tree(depth):
    """Branches that wait, *depth* fan-outs deep, beside one that is quick."""

    def deeper(child):
        return tree(depth - 1)(child)

    def code(ctx):
        return ctx.parallel(
            [deeper if depth > 1 else waits_long, quick], completion=FIRST, name=f"depth {depth}"
        ).status

    return code


@pytest.mark.parametrize("depth", [1, 2, 3], ids=["row 63", "row 64: grandchildren", "row 64: deeper"])
def test_rows_63_and_64_what_is_left_of_a_complete_fan_out_is_closed_and_never_heard_of_again(depth):
    results = []

    @durable
    def handler(event, ctx):
        results.append(ctx.parallel([tree(depth), quick], completion=FIRST, name="outer"))
        ctx.wait(1200, name="after")  # longer than what is left behind
        return [item.status for item in results[-1]]

    run = Run(handler)
    run.finish()
    first, *again = [(each.completion_reason, [(i.index, i.status) for i in each]) for each in results]
    assert again
    assert again == [first] * len(again)  # frozen: live and on every replay
    assert run.result == [status for _, status in first[1]]
    ended = run.between.applied.index("CONTEXT SUCCEED outer")
    later = run.between.applied[ended + 1 :]
    assert later == ["WAIT START after"]  # nothing below it is recorded any more (G9)
    left_behind = "WAIT START long" in run.between.applied  # unless the other branch was so quick
    assert len(run.invocations) == 2 + left_behind  # its timer woke the execution, in vain


@pytest.mark.parametrize("when", ["the others wait", "the others run"])
def test_row_70_an_execution_whose_only_open_operations_are_orphans_ends_and_is_never_pending(when):
    go = threading.Event()

    def runs(child):
        child.step(lambda: go.wait(0.05), name="runs", semantics=ONCE)
        child.wait(600)

    @durable
    def handler(event, ctx):
        return ctx.parallel([waits_long if when == "the others wait" else runs, quick], completion=FIRST).results

    run = Run(handler)
    run.settle()
    assert run.answers == [{"Status": "SUCCEEDED", "Result": '["quick"]'}]


# -- row 65: no threads ------------------------------------------------------------------------------------------


def test_row_65_a_pool_of_one_gets_through_a_map_of_many_that_fail_wait_and_nest():
    threads = set()

    def body(child, n):
        threads.add(threading.current_thread().name)
        if n % 3 == 0:
            child.wait(n + 1)
        inner = child.map(lambda c, m: c.step(lambda: m, name=f"{m}"), [n, n + 1], name="inner").results
        if n % 5 == 0:
            child.step(lambda: {}["x"], retry=Retry.none())
        return sum(inner)

    @durable(config=DurableConfig(max_threads=1))
    def handler(event, ctx):
        found = ctx.map(body, list(range(30)), name="outer", completion=Completion.all_completed())
        return [found.success_count, found.failure_count]

    run = Run(handler)
    assert run.finish().result == [24, 6]
    assert len(threads - {threading.current_thread().name}) == 1


# -- rows 66, 67: time -------------------------------------------------------------------------------------------


class Askew(VirtualClock):
    """The engine's wall clock, which is wrong; what counts seconds is right."""

    def __init__(self, truth):
        super().__init__()
        self.truth = truth
        self.by = timedelta()

    def now(self):
        return self.truth.now() + self.by

    def monotonic(self):
        return self.truth.monotonic()

    def sleep(self, seconds):
        self.truth.sleep(seconds)


def askew(handler, seconds):
    """A run whose engine's clock differs from the service's."""
    clock = Askew(None)
    clock.by = timedelta(seconds=seconds)
    run = Run(handler, environment=Environment(clock, Random(0)))
    clock.truth = run.clock
    return run, clock


SKEWS = pytest.mark.parametrize("skew", [-2, 2, -3600, 3600], ids=["2 s slow", "2 s fast", "1 h slow", "1 h fast"])


@SKEWS
def test_row_66_a_wait_and_a_retry_end_when_the_service_says_so_whatever_the_sandbox_s_clock_says(skew):
    ends = []

    @durable
    def handler(event, ctx):
        ctx.wait(30, name="w")
        ends.append(run.now)

        def body():
            if len(ends) < 3:
                raise ConnectionError
            return "ok"

        return ctx.step(body, retry=Retry(max_attempts=5, initial_delay=10, jitter="none"))

    run, _ = askew(handler, skew)
    began = run.now
    assert run.finish().result == "ok"
    assert (ends[0] - began).total_seconds() == 30
    for event in run.history():
        if event["EventType"] == "WaitSucceeded":
            assert event["EventTimestamp"] >= (began + timedelta(seconds=30)).timestamp() * 1000


@SKEWS
def test_row_66_nor_does_a_timer_that_is_served_in_process(skew):
    woken, at = threading.Event(), []

    def sleeper(child):
        child.wait(5, name="w")
        at.append(run.now)
        woken.set()
        return "woken"

    def works(child):
        def body():
            for _ in range(50):  # with a clock that is slow it is not woken while this runs, which is right too
                if woken.wait(0.01):
                    break
                run.clock.move_to(run.now + timedelta(seconds=0.5))
            return woken.is_set()

        return child.step(body, semantics=ONCE)

    @durable
    def handler(event, ctx):
        return ctx.parallel([sleeper, works]).results

    run, _ = askew(handler, skew)
    began = run.now
    run.finish()
    assert run.result[0] == "woken"
    assert (at[0] - began).total_seconds() >= 5  # never early


@pytest.mark.parametrize("jump", [-86400, 86400], ids=["back", "on"])
def test_row_66_a_clock_that_jumps_changes_nothing_of_what_is_waited_for_here(jump):
    woken, at = threading.Event(), []

    def sleeper(child):
        child.wait(5, name="w")
        at.append(run.now)
        woken.set()

    def works(child):
        def body():
            clock.by = timedelta(seconds=jump)  # the sandbox's wall clock is set, while a branch waits by it
            return pass_time(run, woken, seconds=0.5)

        return [child.step(body, semantics=ONCE), 0 < child.remaining_time.total_seconds() <= 900]

    @durable
    def handler(event, ctx):
        return ctx.parallel([sleeper, works]).results

    run, clock = askew(handler, 0)
    began = run.now
    assert run.finish().result == [None, [True, True]]
    assert (at[0] - began).total_seconds() >= 5


@pytest.mark.parametrize("clock", [SystemClock(), WallClock()], ids=["engine", "local"])
def test_row_66_summer_time_moves_no_clock_of_ours(monkeypatch, clock):
    before = clock.now()
    monkeypatch.setenv("TZ", "XST-5YDT-17,J1/0,J365/23")  # twelve hours of summer time, always
    time.tzset()
    try:
        assert clock.now().tzinfo is UTC
        assert abs(clock.now() - before) < timedelta(minutes=1)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_row_67_a_timer_that_falls_due_during_a_replay_resumes_its_branch_then():
    woken, attempts = threading.Event(), []

    def sleeper(child):
        child.wait(100)
        woken.set()
        return run.now

    def works(child):
        def body():
            attempts.append(run.now)
            if len(attempts) == 1:
                raise ConnectionError
            return pass_time(run, woken, seconds=5)

        return child.step(body, retry=Retry(max_attempts=2, initial_delay=50, jitter="none"), semantics=ONCE)

    @durable
    def handler(event, ctx):
        results = ctx.parallel([sleeper, works]).results
        return [(results[0] - ctx.started_at).total_seconds(), results[1]]

    run = Run(handler)
    run.finish()
    seconds, in_process = run.result
    assert in_process  # while the second attempt ran, in the invocation that replays
    assert seconds >= 100
    assert len(run.invocations) == 2


def test_row_67_one_that_fell_due_while_nobody_ran_resumes_its_branch_at_once():
    @durable
    def handler(event, ctx):
        return ctx.parallel(
            [lambda child: child.wait(5), lambda child: child.create_callback(name="a").result()]
        ).results

    run = Run(handler)
    run.settle()
    run.clock.move_to(run.now + timedelta(seconds=60))
    run.callback("a").succeed("yes")  # no more time passes
    assert (run.status, run.result) == ("SUCCEEDED", [None, '"yes"'])


# -- rows 68, 69: answers -----------------------------------------------------------------------------------------


def answer(run, name, kind=OperationType.CALLBACK):
    """Answer as somebody outside would, at any moment."""
    with run.host.changing(run.arn) as execution:
        record = next(r for r in execution.operations.values() if r.type is kind and r.name == name)
        if kind is OperationType.CALLBACK:
            execution.complete_callback(record.callback_details.callback_id, run.clock.now(), result="yes")
        else:
            execution.complete_invoke(record.id, OperationStatus.SUCCEEDED, run.clock.now(), result='"yes"', error=None)


def once(action):
    """Do it the first time that it is asked for only."""
    done = []
    return lambda: None if done else (done.append(1), action())


@pytest.mark.parametrize(
    "moment", ["between creation and result", "before the answer to START", "after it", "during a poll"]
)
def test_row_68_a_callback_that_is_completed_early_is_seen_at_once(moment):
    act = once(lambda: answer(run, "cb"))

    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="cb")
        if moment == "between creation and result":
            act()
        ctx.step(lambda: 1, name="submit", semantics=ONCE)
        return callback.result()

    def after(_, told):
        if moment == "before the answer to START" and "CALLBACK START cb" in told:
            act()
        if moment == "after it" and "STEP START submit" in told:
            act()
        if moment == "during a poll" and "STEP SUCCEED submit" in told:
            act()

    run = Run(handler)
    run.between.after = after
    run.settle()
    assert (run.status, run.result) == ("SUCCEEDED", "yes")
    # Seen in the same invocation when an answer could still tell of it, else in the next that follows at once.
    assert len(run.answers) <= 1 + (moment == "during a poll")


@pytest.mark.parametrize("kind", [OperationType.CALLBACK, OperationType.CHAINED_INVOKE], ids=["callback", "invoke"])
def test_row_69_an_answer_that_arrives_while_we_decide_to_suspend_is_not_lost(kind):
    act = once(lambda: answer(run, "op", kind))

    def code(ctx):
        if kind is OperationType.CALLBACK:
            return ctx.create_callback(name="op").result()
        return ctx.invoke("other:1", {}, name="op")

    @durable
    def handler(event, ctx):
        try:
            return code(ctx)
        finally:  # the suspension is on its way out; Lambda has not heard of it yet
            act()

    run = Run(handler)
    run.settle()
    assert run.answers[0] == {"Status": "PENDING"}
    assert (run.status, run.result) == ("SUCCEEDED", "yes")
    assert len(run.answers) == 2


@pytest.mark.parametrize("depth", [1, 2], ids=["a branch", "a branch of a branch"])
@pytest.mark.parametrize("kind", [OperationType.CALLBACK, OperationType.CHAINED_INVOKE], ids=["callback", "invoke"])
def test_row_69_a_branch_goes_on_with_what_the_last_answer_tells(kind, depth):
    act = once(lambda: answer(run, "op", kind))

    def waits(ctx):
        if kind is OperationType.CALLBACK:
            return ctx.create_callback(name="op").result()
        return ctx.invoke("other:1", {}, name="op")

    def works(ctx):
        return ctx.step(lambda: 1, name="other", semantics=ONCE)

    def both(ctx):
        return ctx.parallel([waits, works]).results

    @durable
    def handler(event, ctx):
        return both(ctx) if depth == 1 else ctx.parallel([both]).results[0]

    def after(_, told):
        if "STEP SUCCEED other" in told:  # its own answer does not tell of it: that of the branch's end does
            act()

    run = Run(handler)
    run.between.after = after
    run.settle()
    assert (run.status, run.result) == ("SUCCEEDED", ["yes", 1])
    assert len(run.answers) == 1  # nobody need wake it for what it has been told (I08)
