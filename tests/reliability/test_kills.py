"""The process dies, the invocation runs out of time, or a second one takes over.

See docs/reliability.md#fault-rows, rows 1 to 11.
"""

from __future__ import annotations

import threading
import time
from itertools import combinations_with_replacement

import pytest

from powertools_durable import Retry, StepSemantics, current_step, durable
from powertools_durable._runtime import checkpointer
from tests.reliability.rig import Deaths, Run
from tests.waiting import eventually

ALWAYS, ONCE = StepSemantics.AT_LEAST_ONCE, StepSemantics.AT_MOST_ONCE
SEMANTICS = pytest.mark.parametrize("semantics", [ALWAYS, ONCE])

# Row, where it dies, and how often the body then runs: (at least once, at most once).
PLACES = [
    (1, "before any checkpoint", (1, 1)),
    (2, "after START, before the body", (1, 1)),
    (3, "in the body", (2, 2)),
    (4, "after the body, before SUCCEED is sent", (2, 2)),
    (5, "after SUCCEED is applied, before its answer", (1, 1)),
    (6, "between two requests of one parallel", (1, 1)),
    (7, "after the result, before it is returned", (1, 1)),
]
ROWS = [row for row, _, _ in PLACES]
RESULT = ["paid", ["left", "right"], "done"]


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch):
    """An update that nobody waits for goes out after a moment, in place of a second of real time."""
    monkeypatch.setattr(checkpointer, "_LINGER", 0.02)


class Story:
    """An order that is paid, packed by two and done; it dies where `Deaths` says."""

    def __init__(self, *rows, semantics, retry=Retry(max_attempts=9, initial_delay=1)):  # noqa: B008 - it is frozen
        names = {row: place for row, place, _ in PLACES}
        self.deaths = Deaths([names[row] for row in rows])
        self.bodies = []
        self.acknowledged_when_run = []

        def pay():
            self.acknowledged_when_run.append("STEP SUCCEED pay" in self.run.between.applied)
            if semantics is ALWAYS and names[2] in self.deaths.left:  # its START needs nobody's answer: let it linger
                self.wait_for_start()
                self.deaths.at(names[2])
            self.bodies.append(current_step().attempt)
            self.deaths.at(names[3])
            return "paid"

        def left(child):
            return child.step(lambda: "left", name="left")

        @durable
        def handler(event, ctx):
            self.deaths.at(names[1])
            paid = ctx.step(pay, name="pay", semantics=semantics, retry=retry)
            packed = ctx.parallel([left, lambda child: child.step(lambda: "right", name="right")])
            done = ctx.step(lambda: "done", name="done")
            self.deaths.at(names[7])
            return [paid, packed.results, done]

        self.run = Run(handler)
        self.run.between.before = lambda _, told: "STEP SUCCEED pay" in told and self.deaths.at(names[4])
        self.run.between.after = self.after
        self.semantics, self.names = semantics, names

    def after(self, _, told):
        if "STEP START pay" in told and self.semantics is ONCE:
            self.deaths.at(self.names[2])
        if "STEP SUCCEED pay" in told:
            self.deaths.at(self.names[5])
        if "STEP SUCCEED left" in told or "STEP SUCCEED right" in told:
            self.deaths.at(self.names[6])

    def wait_for_start(self):
        """Let the time pass after which an update goes out that nobody waits for."""
        while "STEP START pay" not in self.run.between.applied:
            self.run.clock.sleep(1.5)
            time.sleep(0.05)


def end(story):
    story.run.finish()
    assert story.deaths.left == [], "it never came to that place"
    assert (story.run.status, story.run.result) == ("SUCCEEDED", RESULT), story.run.error
    assert True not in story.acknowledged_when_run  # G1: never again once its result was acknowledged
    if story.semantics is ONCE:
        assert len(story.bodies) == len(set(story.bodies))  # G2: one start for each attempt
    return story


@SEMANTICS
@pytest.mark.parametrize(("row", "place", "bodies"), PLACES, ids=[f"row {row}: {place}" for row, place, _ in PLACES])
def test_rows_1_to_7_killed_once_it_ends_with_the_same_result(row, place, bodies, semantics):
    story = end(Story(row, semantics=semantics))
    assert len(story.bodies) == bodies[semantics is ONCE]
    assert len(story.run.answers) == 2 + (semantics is ONCE and row in {2, 3, 4})  # an attempt that was cut off waits


@pytest.mark.parametrize("row", [2, 3, 4])
def test_rows_2_and_3_an_interrupted_at_most_once_step_counts_and_its_policy_decides(row):
    story = Story(row, semantics=ONCE, retry=Retry.none())
    story.run.finish()
    assert (story.run.status, story.run.error.error_type) == ("FAILED", "StepInterruptedError")
    assert len(story.bodies) == (row != 2)


@pytest.mark.parametrize("row", [2, 3, 4])
def test_rows_2_to_4_an_interruption_of_an_at_least_once_step_costs_no_attempt(row):
    story = end(Story(row, semantics=ALWAYS, retry=Retry.none()))
    assert set(story.bodies) == {1}


PLANS = [*combinations_with_replacement(ROWS, 2), *combinations_with_replacement(ROWS, 3)]


@pytest.mark.sampled(6)
@SEMANTICS
@pytest.mark.parametrize("plan", PLANS, ids=lambda rows: "+".join(map(str, rows)))
def test_row_8_killed_two_and_three_times_anywhere_it_ends_with_the_same_result(plan, semantics):
    story = Story(*plan, semantics=semantics)
    story.run.finish()
    # A place that can't be met again, because what is behind it is acknowledged, leaves a shorter plan.
    assert len(story.deaths.met) >= len(set(plan))
    story.deaths.left.clear()
    end(story)


# -- out of time -----------------------------------------------------------------------------------------------


@SEMANTICS
def test_row_9_a_body_that_outlasts_the_invocation_is_left_before_its_end(semantics):
    attempts, over = [], threading.Event()

    def slow():
        attempts.append(current_step().attempt)
        if len(attempts) == 1:
            over.wait(60)
        return "in time"

    @durable
    def handler(event, ctx):
        return ctx.step(slow, name="slow", timeout=60, semantics=semantics, retry=Retry(initial_delay=1))

    run = Run(handler, seconds=0.3)
    run.settle()
    assert eventually(lambda: attempts)  # its thread may have had no processor time yet
    over.set()
    left = run.invocations[0].answer
    assert left.error_type == "BackendError"
    assert "the invocation ends while step 'slow' (#1) still runs" in left.error_message
    assert run.finish().result == "in time"
    assert attempts == ([1, 2] if semantics is ONCE else [1, 1])


# -- two at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wraps", [False, True], ids=["in the handler", "under except BaseException"])
def test_row_11_the_invocation_that_was_superseded_stops_at_its_first_stale_token(wraps):
    winner, sent = [], []

    def body():
        if not winner:
            winner.append(None)  # the service thinks this invocation lost, and starts another
            thread = threading.Thread(target=lambda: winner.append(run.host.invoke(run.arn, run.invoker)))
            thread.start()
            thread.join()
            sent.append(len(run.between.sent))
        return len(sent)

    @durable
    def handler(event, ctx):
        try:
            ctx.step(body, name="first")
        except BaseException:
            if not wraps:
                raise
        return ctx.step(lambda: "second", name="second")

    run = Run(handler)
    run.settle()
    assert (run.status, run.result) == ("SUCCEEDED", "second")  # the winner's word, and no FAILED over it
    assert winner[1].answer["Status"] == "SUCCEEDED"
    assert len(run.between.sent) == sent[0] + 1
    assert run.answers == ["BackendError"]
