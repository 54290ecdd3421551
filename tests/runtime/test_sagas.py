"""Sagas and deferred calls over suspensions, retries and crashes."""

from __future__ import annotations

import pytest

from powertools_durable import ChildContextError, CompensationError, DurableConfig, Retry, StepError, durable
from powertools_durable.errors import RetryableSerDesError
from powertools_durable.testing import Simulator
from tests.runtime.rig import Served

ONCE = Retry.none()


class Shop:
    """Books things, and notes what it is asked to undo."""

    def __init__(self, *, breaks=()):
        self.undone = []
        self._breaks = set(breaks)

    def book(self, ctx, *names):
        for name in names:
            ctx.step_with_compensation(name.upper, compensate=self.undo, name=name)

    def undo(self, value):
        self.undone.append(value)
        if value in self._breaks:
            raise LookupError(f"{value} is gone")


def fails():
    raise KeyError("sold out")


# -- the block -------------------------------------------------------------------------------------------------


def test_a_block_that_raises_is_undone_backwards_and_raises_the_same():
    shop, caught = Shop(), []

    @durable
    def handler(event, ctx):
        try:
            with ctx.saga():
                shop.book(ctx, "hotel", "flight")
                ctx.step(fails, retry=ONCE)
        except StepError as error:
            caught.append(error.error_type)
            ctx.wait(60)
            return ctx.compensation_count

    run = Simulator(handler).start().finish()
    assert (run.result, shop.undone, caught) == (0, ["FLIGHT", "HOTEL"], ["KeyError", "KeyError"])


def test_a_block_that_succeeds_undoes_nothing_and_hands_its_steps_on():
    shop = Shop()

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
        return ctx.compensation_count

    assert (Simulator(handler).start().finish().result, shop.undone) == (1, [])


def test_an_inner_block_undoes_its_own_steps_only_and_the_outer_one_what_is_left():
    shop, between = Shop(), []

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
            try:
                with ctx.saga():
                    shop.book(ctx, "flight")
                    raise KeyError
            except KeyError:
                between.append(list(shop.undone))
            with ctx.saga():
                shop.book(ctx, "car")
            raise ValueError("late")

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValueError")
    assert (between, shop.undone) == ([["FLIGHT"]], ["FLIGHT", "CAR", "HOTEL"])


def test_when_undoing_fails_all_are_tried_and_both_errors_are_told():
    shop, told = Shop(breaks={"FLIGHT"}), []

    @durable
    def handler(event, ctx):
        try:
            with ctx.saga():
                shop.book(ctx, "hotel", "flight", "car")
                raise ValueError("no")
        except CompensationError as error:
            told.append((str(error), type(error.__cause__), [(i.name, i.status, i.error) for i in error.result.items]))
            ctx.wait(60)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert shop.undone == ["CAR", "FLIGHT", "HOTEL"]
    items = [("car", "Succeeded", None), ("flight", "Failed", "FLIGHT is gone"), ("hotel", "Succeeded", None)]
    assert told == [("undoing flight failed, after ValueError", ValueError, items)] * 2


@pytest.mark.parametrize("signal", ["wait", "retry", "callback"])
def test_a_suspension_inside_a_block_undoes_nothing(signal):
    shop, tries = Shop(), []

    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise OSError

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
            if signal == "wait":
                ctx.wait(60)
            elif signal == "retry":
                ctx.step(flaky)
            else:
                ctx.create_callback(name="go").result()
        return "booked"

    run = Simulator(handler).start()
    assert run.status == "RUNNING"
    if signal == "callback":
        run.callback("go").succeed()
    assert (run.finish().result, shop.undone) == ("booked", [])


@pytest.mark.parametrize("error", [MemoryError, RetryableSerDesError("later"), SystemExit(1), KeyboardInterrupt])
def test_what_ends_only_this_invocation_undoes_nothing(error):
    shop, died = Shop(), []

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
            if not died:
                died.append(1)
                raise error
        return "booked"

    try:
        run = Simulator(handler).start().finish()
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    else:
        assert run.result == "booked"
    assert shop.undone == []


def test_misuse_inside_a_block_is_undone_too_for_the_execution_ends():
    shop = Shop()

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
            ctx.wait(0)

    run = Simulator(handler).start().finish()
    assert (run.error.error_type, shop.undone) == ("ValidationError", ["HOTEL"])


def test_changed_code_inside_a_block_undoes_nothing():
    shop, version = Shop(), []

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel")
            ctx.wait(60, name="new" if version else "old")

    run = Simulator(handler).start()
    version.append(2)
    assert run.finish().error.error_type == "NonDeterminismError"
    assert shop.undone == []


def test_a_branch_has_a_saga_of_its_own():
    shop = Shop()

    def order(child, city):
        with child.saga():
            shop.book(child, city)
            if city == "rome":
                raise KeyError(city)
            return child.compensation_count

    @durable
    def handler(event, ctx):
        result = ctx.map(order, ["oslo", "rome"], max_concurrency=1)
        return [[item.result for item in result.succeeded], result.errors[0].error_type, ctx.compensation_count]

    assert Simulator(handler).start().finish().result == [[1], "KeyError", 0]
    assert shop.undone == ["ROME"]


def test_a_branch_that_is_cut_off_undoes_nothing():
    shop = Shop()

    def slow(child):
        with child.saga():
            shop.book(child, "hotel")
            child.wait(3600)

    @durable
    def handler(event, ctx):
        ctx.parallel([slow, lambda child: fails()])
        ctx.wait(1)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert shop.undone == []


# -- compensations that take their time ------------------------------------------------------------------------


def test_a_compensation_may_wait_retry_and_be_answered_and_the_others_wait_for_it():
    log, tries = [], []

    def refund():
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return "refunded"

    def undo_payment(child, payment):
        log.append(f"{payment} begins")
        child.wait(3600)
        log.append(child.step(refund))
        log.append(child.create_callback(name="confirmed").result())

    @durable
    def handler(event, ctx):
        with ctx.saga():
            ctx.step_with_compensation(lambda: "HOTEL", compensate=log.append, name="hotel")
            ctx.step_with_compensation(lambda: "PAYMENT", compensate=undo_payment, name="payment")
            raise ValueError("no")

    run = Simulator(handler).start().finish()
    assert (run.status, "HOTEL" in log) == ("RUNNING", False)
    run.callback("confirmed").succeed("yes")
    assert (run.status, run.error.error_type) == ("FAILED", "ValueError")
    assert log[-3:] == ["refunded", '"yes"', "HOTEL"]
    assert [op.status for op in run.operations if op.sub_type == "Compensation"] == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 11))
def test_killed_around_any_call_everything_is_undone_in_order(call, when):
    shop = Shop()

    def undo_car(child, value):
        child.step(shop.undo, value)
        child.wait(5)

    @durable
    def handler(event, ctx):
        with ctx.saga():
            shop.book(ctx, "hotel", "flight")
            ctx.step_with_compensation(lambda: "CAR", compensate=undo_car, name="car")
            raise ValueError("no")

    run = Served(handler, kills=[(call, when)]).finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValueError")
    assert list(dict.fromkeys(shop.undone)) == ["CAR", "FLIGHT", "HOTEL"]
    assert len(shop.undone) <= 4  # at least once: the one that was interrupted may have run twice


def test_a_compensation_that_asks_for_another_invocation_has_not_failed():
    calls = []

    def undo(value):
        calls.append(value)
        if len(calls) == 1:
            raise RetryableSerDesError("storage is away")

    @durable
    def handler(event, ctx):
        ctx.step_with_compensation(lambda: "HOTEL", compensate=undo, name="hotel")
        ctx.wait(1)
        return [item.status for item in ctx.run_compensations().items]

    run = Simulator(handler).start().finish()
    assert (run.result, calls) == (["Succeeded"], ["HOTEL", "HOTEL"])


def test_a_context_whose_saga_failed_tells_so():
    shop = Shop(breaks={"HOTEL"})

    def trip(child):
        with child.saga():
            shop.book(child, "hotel")
            raise ValueError("no")

    @durable
    def handler(event, ctx):
        try:
            ctx.run_in_child_context(trip)
        except ChildContextError as error:
            return [error.error_type, error.message]

    run = Simulator(handler).start().finish()
    assert run.result == ["ValueError", "undoing hotel failed, after ValueError"]  # what was raised at first


# -- deferred calls --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["success", "failure", "misuse"])
def test_deferred_calls_run_once_at_the_end_the_last_first_and_not_when_it_suspends(ending):
    log = []

    @durable
    def handler(event, ctx):
        ctx.defer(log.append, "first")
        ctx.defer(log.append, "second")
        ctx.wait(60)
        log.append("resumed")
        ctx.wait(60)
        if ending == "failure":
            raise ValueError("no")
        if ending == "misuse":
            ctx.wait(0)
        return "done"

    run = Simulator(handler).start()
    assert log == []
    run.finish()
    assert run.status == ("SUCCEEDED" if ending == "success" else "FAILED")
    assert log == ["resumed", "resumed", "second", "first"]


def test_a_deferred_call_is_a_step_of_the_root_and_is_retried():
    tries = []

    def release():
        tries.append(1)
        if len(tries) < 3:
            raise OSError

    @durable
    def handler(event, ctx):
        ctx.defer(release)
        return "done"

    run = Simulator(handler).start()
    assert (run.status, tries) == ("RUNNING", [1])
    assert run.finish().result == "done"
    step = run.operation("release")
    assert (len(tries), step.parent_id, step.type) == (3, None, "STEP")


@durable(retry=ONCE)
def three_deferred(event, ctx):
    def release(name):
        DEFERRED.append(name)
        if name in event["breaks"]:
            raise LookupError(name)

    for name in "abc":
        ctx.defer(release, name)
    if event["fails"]:
        raise ValueError("the handler's own")
    return "done"


DEFERRED: list[str] = []


def test_one_that_fails_after_success_fails_the_execution_when_all_were_tried():
    DEFERRED.clear()
    run = Simulator(three_deferred).start({"breaks": "ca", "fails": False}).finish()
    assert DEFERRED == ["c", "b", "a"]
    assert (run.status, run.error.error_message) == ("FAILED", "c")
    assert any("a deferred call failed" in line.getMessage() for line in run.logs)


def test_one_that_fails_after_a_failure_is_logged_and_the_first_error_stays():
    DEFERRED.clear()
    run = Simulator(three_deferred).start({"breaks": "b", "fails": True}).finish()
    assert DEFERRED == ["c", "b", "a"]
    assert (run.status, run.error.error_message) == ("FAILED", "the handler's own")
    assert any("a deferred call failed" in line.getMessage() for line in run.logs)


@pytest.mark.parametrize("error", [MemoryError, RetryableSerDesError("later")])
def test_they_do_not_run_when_only_this_invocation_ends(error):
    log = []

    @durable
    def handler(event, ctx):
        ctx.defer(log.append, "deferred")
        log.append("run")
        if len(log) == 1:
            raise error
        return "done"

    assert Simulator(handler).start().finish().result == "done"
    assert log == ["run", "run", "deferred"]


@pytest.mark.parametrize("gesture", ["swallow", "finally"])
def test_they_do_not_run_when_a_suspension_is_swallowed_or_replaced(gesture):
    log = []

    @durable
    def handler(event, ctx):
        ctx.defer(log.append, "deferred")
        try:
            ctx.wait(60)
        except BaseException:  # noqa: BLE001 - what users write
            if gesture == "finally":
                raise ValueError("on the way out") from None
        return "done"

    run = Simulator(handler).start()
    assert (run.status, log) == ("RUNNING", [])
    assert (run.finish().result, log) == ("done", ["deferred"])


def test_changed_code_runs_no_deferred_call():
    log, version = [], []

    @durable
    def handler(event, ctx):
        ctx.defer(log.append, "deferred")
        ctx.wait(60, name="new" if version else "old")

    run = Simulator(handler).start()
    version.append(2)
    assert run.finish().error.error_type == "NonDeterminismError"
    assert log == []


def test_a_child_context_has_no_end_of_its_own_to_defer_to():
    @durable
    def handler(event, ctx):
        return ctx.run_in_child_context(lambda child: child.defer(print))

    assert "handler's own context" in Simulator(handler).start().error.error_message


def test_killed_between_deferred_calls_each_runs_and_those_acknowledged_once():
    for call in (1, 2, 3):
        log = []

        @durable(config=DurableConfig())
        def handler(event, ctx, log=log):
            ctx.defer(log.append, "first")
            ctx.defer(log.append, "second")

        run = Served(handler, kills=[(call, "after")]).finish()
        assert (run.status, log) == ("SUCCEEDED", ["second", "first"])
