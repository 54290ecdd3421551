"""Which line comes out when: T1 to T5 at the top of frame.py, as a module's own logger shows them.

A handler runs again from the top each time it goes on, so without the filter each line before a wait would come out
once for each invocation.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter

import pytest

from powertools_durable import Completion, Nesting, Polling, Retry, StepError, StepSemantics, durable
from powertools_durable.testing import Simulator, spend

# -- the table of 2.2, row by row: what a program says, and what of it comes out -------------------------------

ROWS = {}


def row(case, *expected):
    def register(program):
        ROWS[case] = (program, list(expected))
        return program

    return register


@row("plain logger.info in the handler, one wait", "line")
def _(logger, ctx):
    logger.info("line")
    ctx.wait(5)


@row("line after the last operation of a child with a large result, two later waits", "line")
def _(logger, ctx):
    def large(child):
        child.step(lambda: 1, name="inner")
        logger.info("line")
        return "x" * 300_000

    ctx.run_in_child_context(large)
    ctx.wait(5)
    ctx.wait(5)


@row("line between create_callback and result()", "line", "answered")
def _(logger, ctx):
    callback = ctx.create_callback(name="approval")
    logger.info("line")
    callback.result()
    logger.info("answered")


@row("line in finally around a wait", "inside", "line")
def _(logger, ctx):
    try:
        ctx.wait(5)
        logger.info("inside")
    finally:
        logger.info("line")


@row(
    "parallel branches with 0, 1 and 3 waits",
    *["at 0", *["at 1"] * 2, *["at 3"] * 4, "0 ends", "1 ends", "3 ends", "all"],
)
def _(logger, ctx):
    def branch(waits):
        def run(child):
            for _ in range(waits):
                logger.info(f"at {waits}")
                child.wait(5 + waits)
            logger.info(f"at {waits}")
            logger.info(f"{waits} ends")

        return run

    ctx.parallel([branch(0), branch(1), branch(3)])
    logger.info("all")


@row(
    "logger.exception in a handler of a recorded step failure",
    "step 'declined' failed: PermissionError: declined",
    "line",
)
def _(logger, ctx):
    def declined():
        raise PermissionError("declined")

    try:
        ctx.step(declined, retry=Retry.none())
    except StepError:
        logger.exception("line")
    ctx.wait(5)
    ctx.wait(5)


@row(
    "failing step, three attempts",
    "attempt",
    "attempt 1 of step 'flaky' failed, the next one is in 5 s: ConnectionError",
    "attempt",
    "attempt 2 of step 'flaky' failed, the next one is in 10 s: ConnectionError",
    "attempt",
    "step 'flaky' failed after 3 attempts: ConnectionError",
)
def _(logger, ctx):
    def flaky():
        logger.info("attempt")
        raise ConnectionError

    try:
        ctx.step(flaky, retry=Retry(max_attempts=3, jitter="none"))
    except StepError:
        ctx.wait(5)


@pytest.mark.parametrize("case", ROWS)
def test_our_column_of_the_table(case, log):
    program, expected = ROWS[case]

    @durable(logger=log.logger)
    def handler(event, ctx):
        program(log.logger, ctx)

    run = Simulator(handler).start()
    if any(record.type == "CALLBACK" for record in run.waiting_for):
        run.callback("approval").succeed("yes")
    assert run.finish().status == "SUCCEEDED"
    assert Counter(log.messages) == Counter(expected)
    assert len(run.invocations) > 1, "a program that never replays shows nothing"


def test_the_row_of_the_crash_lines_not_reached_are_emitted(log):
    crashes = []

    def child(inner):
        log.logger.info("before the crash")
        if not crashes:
            crashes.append(1)
            raise SystemExit
        log.logger.info("not reached before")

    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.run_in_child_context(child)

    Simulator(handler).start().finish()
    assert log.messages == ["before the crash", "before the crash", "not reached before"]


def test_a_failing_step_says_which_attempt_it_is(log):
    def flaky():
        log.logger.info("trying")
        raise ConnectionError

    @durable
    def handler(event, ctx):
        ctx.step(flaky, retry=Retry(max_attempts=3, jitter="none"))

    Simulator(handler).start().finish()
    assert [line["attempt"] for line in log.lines if line["message"] == "trying"] == [1, 2, 3]


def test_a_line_in_finally_comes_out_at_the_logical_time(log):
    @durable
    def handler(event, ctx):
        try:
            ctx.wait(5)
        finally:
            log.logger.info("finally")

    run = Simulator(handler).start()
    assert log.messages == [], "the wait has only begun"
    run.finish()
    assert log.messages == ["finally"]


# -- transitions -----------------------------------------------------------------------------------------------


def test_t1_a_context_without_records_is_live_from_its_first_line(log):
    @durable
    def handler(event, ctx):
        log.logger.info("handler")
        ctx.wait(5)
        ctx.run_in_child_context(lambda child: log.logger.info("child without operations"))
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert log.messages == ["handler", "child without operations"]


def test_t1_looks_for_the_first_real_operation_below_virtual_contexts(log):
    def outer(child):
        log.logger.info("outer")
        child.run_in_child_context(inner, virtual=True)

    def inner(child):
        log.logger.info("inner")
        child.wait(5)
        log.logger.info("behind the wait")

    @durable
    def handler(event, ctx):
        log.logger.info("handler")
        ctx.run_in_child_context(outer, virtual=True)

    Simulator(handler).start().finish()
    assert log.messages == ["handler", "outer", "inner", "behind the wait"]


def test_t1_looks_for_the_first_real_operation_of_flat_branches(log):
    def branch(child):
        log.logger.info("branch")
        child.wait(5)
        log.logger.info("behind the wait")

    @durable
    def handler(event, ctx):
        log.logger.info("handler")
        ctx.parallel([branch], nesting=Nesting.FLAT)

    Simulator(handler).start().finish()
    assert log.messages == ["handler", "branch", "behind the wait"]


def test_t1_a_context_that_only_rebuilds_a_large_result_is_sealed_for_good(log):
    def large(child):
        log.logger.info("one")
        child.run_in_child_context(lambda inner: inner.step(lambda: log.logger.info("two")))
        log.logger.info("three")
        return "x" * 300_000

    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(large)
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert log.messages == ["one", "two", "three"]


def test_t2_the_line_before_a_step_that_is_tried_again_is_old_and_its_body_new(log):
    tries = []

    def flaky():
        log.logger.info("body")
        tries.append(1)
        if len(tries) < 2:
            raise ConnectionError

    @durable
    def handler(event, ctx):
        log.logger.info("before")
        ctx.step(flaky, retry=Retry(max_attempts=2))
        log.logger.info("behind")

    Simulator(handler).start().finish()
    told = [message for message in log.messages if not message.startswith("attempt 1 of step 'flaky' failed")]
    assert told == ["before", "body", "body", "behind"]


def test_t2_a_check_that_polls_says_its_lines_each_time(log):
    def check(state):
        log.logger.info("check")
        return state + 1

    @durable
    def handler(event, ctx):
        log.logger.info("before")
        ctx.wait_for_condition(check, initial=0, polling=Polling(lambda state: state == 3))
        log.logger.info("behind")

    Simulator(handler).start().finish()
    assert log.messages == ["before", "check", "check", "check", "behind"]


@pytest.mark.parametrize("fails", [False, True])
def test_t3_the_line_behind_the_last_recorded_operation_is_new(log, fails):
    def charge():
        if fails:
            raise PermissionError

    @durable(logger=log.logger)
    def handler(event, ctx):
        try:
            ctx.step(charge, retry=Retry.none())
        except StepError:
            log.logger.info("failed")
        log.logger.info("behind the step")
        ctx.wait(5)
        log.logger.info("behind the wait")

    Simulator(handler).start().finish()
    told = ["step 'charge' failed: PermissionError", "failed"] if fails else []
    assert log.messages == [*told, "behind the step", "behind the wait"]


def test_t3_behind_the_last_operation_of_a_virtual_context_comes_what_is_around_it(log):
    def virtual(child):
        child.step(lambda: 1)
        log.logger.info("virtual")

    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(virtual, virtual=True)
        log.logger.info("behind it")
        ctx.wait(5)
        log.logger.info("behind the wait")

    Simulator(handler).start().finish()
    assert log.messages == ["virtual", "behind it", "behind the wait"]


def test_t4_nothing_is_said_while_a_suspension_passes(log):
    def child(inner):
        try:
            inner.wait(5)
        finally:
            log.logger.error("child")

    @durable
    def handler(event, ctx):
        try:
            try:
                ctx.run_in_child_context(child)
            except BaseException:
                log.logger.exception("swallowed nothing")
                raise
        finally:
            log.logger.error("handler")

    run = Simulator(handler).start()
    assert log.messages == []
    run.finish()
    assert log.messages == ["child", "handler"]


def without_what_was_updated(handler):
    """A service that does not list what it changed."""

    @functools.wraps(handler)
    def invoke(event, context):
        return handler({key: value for key, value in event.items() if key != "UpdatedOperationIds"}, context)

    return invoke


def test_t5_without_the_listing_lines_may_repeat_but_none_is_lost(log):
    @without_what_was_updated
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        log.logger.info("asked")
        callback.result()
        log.logger.info("answered")

    Simulator(handler).start().callback("approval").succeed("yes")
    assert log.messages == ["asked", "asked", "answered"]


def test_t5_the_window_lines_behind_a_crash_are_lost_when_the_answer_is_faster_than_the_retry(log):
    """The documented residual loss: nothing durable says that the code never got as far as the line."""
    crashes = []

    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        if not crashes:
            crashes.append(1)
            raise SystemExit
        log.logger.info("lost")
        callback.result()
        log.logger.info("answered")

    Simulator(handler).start().callback("approval").succeed("yes").finish()
    assert log.messages == ["answered"]


def test_t6_a_branch_that_goes_on_in_the_same_invocation_does_not_repeat_itself(log):
    woken = threading.Event()

    def sleeper(child):
        log.logger.info("before the wait")
        child.wait(5)
        log.logger.info("behind the wait")
        woken.set()

    def works(child):
        def body():
            for _ in range(500):  # time passes for as long as this runs
                if woken.wait(0.01):
                    break
                spend(1)

        child.step(body, semantics=StepSemantics.AT_MOST_ONCE)  # nothing is left to be sent meanwhile

    @durable
    def handler(event, ctx):
        ctx.parallel([sleeper, works])

    run = Simulator(handler).start()
    assert len(run.invocations) == 1
    assert log.messages == ["before the wait", "behind the wait"]


def test_a_context_that_is_live_stays_live(log):
    def early(child):
        child.wait(5)

    def late(child):
        child.step(lambda: 1)
        log.logger.info("live")

    @durable
    def handler(event, ctx):
        ctx.parallel([early, late], completion=Completion.all_completed())
        log.logger.info("behind")
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert log.messages == ["live", "behind"]


# -- what repeats by design ------------------------------------------------------------------------------------


def test_lines_behind_the_last_record_of_a_crashed_invocation_repeat(log):
    crashes = []

    @durable
    def handler(event, ctx):
        log.logger.info("before the step")
        ctx.step(lambda: 1, name="one")
        log.logger.info("behind the step")
        if len(crashes) < 2:
            crashes.append(1)
            raise SystemExit
        log.logger.info("behind the crash")

    Simulator(handler).start().finish()
    assert log.messages == ["before the step", *["behind the step"] * 3, "behind the crash"]


def test_what_has_no_record_repeats_the_lines_that_nothing_durable_tells_of(log, kind):
    """Behind a virtual context without operations; behind the last operation of a flat branch.

    In an ``async def`` handler all that runs before the first result which is new was there before.
    """
    times = {"def": 2, "async": 1}[kind]

    def flat(child):
        child.step(lambda: 1)
        log.logger.info("end of the branch")

    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(lambda child: None, virtual=True)
        log.logger.info("behind nothing")
        ctx.parallel([flat, lambda child: child.wait(5)], nesting=Nesting.FLAT)
        log.logger.info("end")

    Simulator(handler).start().finish()
    assert Counter(log.messages) == {"behind nothing": times, "end of the branch": times, "end": 1}
