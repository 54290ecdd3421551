"""explore(): a handler's process dies at every moment, and what comes out is compared."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import socket
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples import agent, approval, documents, five_lines, order, patched, polling, saga
from powertools_durable import (
    CallbackError,
    ChildContextError,
    Retry,
    StepInterruptedError,
    StepSemantics,
    current_step,
    durable,
)
from powertools_durable._operations.step import step as step_flow
from powertools_durable._protocol.operation import ContextDetails, Operation, OperationStatus, OperationType
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Ledger, Simulator, explore
from powertools_durable.testing.crash_testing.run_outcome import _cut_off
from tests.leaks import started_threads

EXAMPLES = Path(__file__).parents[2] / "examples"
ONCE = StepSemantics.AT_MOST_ONCE
log = logging.getLogger(__name__)


def event_of(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())


YES = {"approval": {"approved": True, "by": "ada"}}
CORRECT = {
    "five_lines": (five_lines.handler, "order-42", {}),
    "order": (order.handler, event_of("order"), YES),
    "order, declined": (order.handler, event_of("order"), {"approval": {"approved": False, "by": "bob"}}),
    "agent": (agent.handler, {"task": "book a table"}, {"person": "yes"}),
    "approval": (approval.handler, event_of("approval"), YES),
    "approval, nobody answers": (approval.handler, event_of("approval"), {}),
    "documents": (documents.handler, {"folder": "letters", "documents": 4}, {}),
    "patched, version 1": (patched.version_1, event_of("patched"), {"packed": "12 kg"}),
    "patched, version 2": (patched.version_2, event_of("patched"), {"packed": "12 kg"}),
    "polling": (polling.handler, {"film": "metropolis"}, {}),
    "saga": (saga.handler, event_of("saga"), {}),
    "saga, all undone": (saga.handler, event_of("saga") | {"sku": "piano"}, {}),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", CORRECT)
def test_every_example_survives_a_crash_at_every_moment(name):
    handler, event, callbacks = CORRECT[name]
    found = explore(handler, event, callbacks=callbacks)
    found.assert_survives()
    assert found.runs > len(found.crash_points) > 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["five_lines", "patched, version 2", "saga"])
def test_examples_survive_two_crashes_wherever_they_are(name):
    handler, event, callbacks = CORRECT[name]
    found = explore(handler, event, callbacks=callbacks, crashes=2)
    found.assert_survives()
    assert found.runs > 2 * len(found.crash_points)


EXPLORED_BESIDE_ITS_TESTS = {
    *("agent_async", "documents_async", "order_async", "payment_deadline"),  # test_async_programs
    "invoices",  # test_invoices
}
NOT_EXPLORED = {
    "nightly_import",  # what the report shows; "documents" is as it is, with fewer files
    "warm_client",  # it keeps a client over invocations on purpose
}


def test_every_example_is_explored():
    covered = {name.partition(",")[0] for name in CORRECT} | EXPLORED_BESIDE_ITS_TESTS | NOT_EXPLORED
    assert covered == {path.stem for path in EXAMPLES.glob("*.py")}


# -- where a process dies -------------------------------------------------------------------------------------


def test_it_dies_around_each_call_and_each_body_at_each_effect_and_before_the_answer():
    ledger = Ledger()

    def pay():
        ledger.record("charge", key=current_step().idempotency_key)

    @durable
    def handler(event, ctx):
        ctx.step(pay)
        ctx.wait(60, name="cool-off")

    found = explore(handler, ledger=ledger)
    found.assert_survives()
    points = [str(point) for point in found.crash_points]
    assert points[9:] == points[:3]  # once more, with the START already sent
    assert points[:9] == [
        "before the body of step 'pay' (#1)",
        "after the effect 'charge' in step 'pay' (#1)",
        "after the body of step 'pay' (#1)",
        "before the checkpoint of step 'pay' (START, SUCCEED)",
        "after the checkpoint of step 'pay' (START, SUCCEED)",
        "before the checkpoint of wait 'cool-off' (START)",
        "after the checkpoint of wait 'cool-off' (START)",
        "after the handler's end, before its answer",
        "after the handler's end, before its answer",
    ]
    lines = {point.location.rpartition(":")[2] for point in found.crash_points if "pay" in str(point)}
    assert all(line.isdigit() for line in lines)


@pytest.mark.parametrize("branches", [0, 2])
def test_what_dead_code_does_reaches_neither_service_nor_ledger(branches):
    ledger, got_away = Ledger(), []

    def body():
        try:
            ledger.record("charge", key="42")
        finally:
            ledger.record("clean-up", key="42")

    def charges(ctx, _):
        try:
            ctx.step(body, name="charge")
        except BaseException as signal:  # noqa: BLE001 - as users write it
            try:
                ctx.step(lambda: got_away.append("step"), name="late")
                ledger.record("late")
            finally:
                got_away.append(type(signal).__name__)
        return "done"

    @durable
    def handler(event, ctx):
        return ctx.map(charges, range(branches)).results if branches else charges(ctx, 0)

    found = explore(handler, ledger=ledger)
    others = {"CheckpointingStopped"} | ({"BranchOrphaned"} if branches else set())  # it dies where they wait
    assert {"Killed"} <= set(got_away) <= {"Killed"} | others
    assert [failure.differed for failure in found.failures if "late" in failure.differed] == []


def test_a_bug_that_one_crash_does_not_show_is_shown_by_two():
    @durable
    def handler(event, ctx):
        return ctx.step(lambda: "paid", name="charge", semantics=ONCE, retry=Retry(max_attempts=2))

    explore(handler).assert_survives()
    (failure,) = explore(handler, crashes=2).failures
    assert failure.differed == "the execution is FAILED: nothing handles that it was interrupted"
    assert failure.crash_point.count("killed") == 2


def test_of_long_values_the_part_that_differs_is_shown():
    @durable
    def handler(event, ctx):
        drawn = random.randrange(10**9)
        return ctx.step(lambda: f"{'same ' * 50}{drawn} {'same ' * 50}", name="drawn")

    (failure,) = explore(handler).failures
    found = re.match(r"its result is '?(.+)'? in place of '?(.+?)'?\. It may", failure.differed)
    parts = [re.fullmatch(r"\.\.\.[same ]+(\d+)[same ]+\.\.\.", part) for part in found.groups()]
    assert all(parts)
    assert parts[0][1] != parts[1][1]
    assert max(map(len, found.groups())) < 130


@pytest.mark.parametrize("crashes", [0, -1])
def test_at_least_one_process_dies(crashes):
    with pytest.raises(ValidationError, match="at least one process dies"):
        explore(five_lines.handler, "order-42", crashes=crashes)


# -- what may differ ------------------------------------------------------------------------------------------


def test_what_steps_find_around_them_is_recorded_and_no_difference():
    @durable
    def handler(event, ctx):
        drawn = [ctx.step(lambda: [str(uuid.uuid4()), random.random()], name="draw") for _ in range(2)]
        at = ctx.step(lambda: datetime.now(UTC).isoformat(), name="now")
        ctx.wait(3600)
        return [drawn, at, str(ctx.now()), str(ctx.uuid4()), ctx.random.random(), os.urandom(0).hex()]

    explore(handler).assert_survives()


def test_a_handled_interruption_survives():
    ledger = Ledger()

    def pay():
        ledger.record("charge")

    def look(order_id):
        if not ledger.count("charge"):
            ledger.record("charge")
        return "paid"

    @durable
    def handler(event, ctx):
        try:
            ctx.step(pay, semantics=ONCE, retry=Retry.none())
        except StepInterruptedError:
            pass
        return ctx.step(look, "order-42", name="reconcile")

    explore(handler, ledger=ledger).assert_survives()


def test_log_lines_come_out_at_least_once_wherever_it_dies():
    @durable
    def handler(event, ctx):
        log.warning("first")
        ctx.step(str, "a", name="a")
        log.warning("second")
        ctx.wait(5)
        log.warning("third")

    explore(handler).assert_survives()


def test_a_line_that_a_crash_loses_is_a_failure():
    @durable
    def handler(event, ctx):
        lines = []
        ctx.step(lambda: lines.append("packed"), name="pack")
        for line in lines:
            log.warning(line)

    (failure,) = explore(handler).failures
    assert failure.differed == "the line WARNING 'packed' is lost"


def test_a_handler_that_fails_without_crashes_fails_the_same_with_them():
    @durable
    def handler(event, ctx):
        ctx.step(str, "a", name="a")
        raise LookupError("no such order")

    found = explore(handler)
    found.assert_survives()
    assert found.warnings == ["without a crash the execution is FAILED with LookupError; is that meant?"]


def test_how_far_a_branch_came_that_nobody_waited_for_is_a_matter_of_luck():
    def fails(child):
        child.wait(5)
        raise LookupError("no")

    def works(child):
        child.step(time.sleep, 0.001, name="a")
        child.wait(5)
        return child.step(str, "b", name="b")

    @durable
    def handler(event, ctx):
        try:
            ctx.parallel([works, fails], name="race").raise_if_failed()
        except ChildContextError as error:
            return error.message

    explore(handler).assert_survives()


def test_an_engine_that_forgets_a_result_is_found(monkeypatch):
    def forgetful(op, body, *args, **kwargs):
        if op.status is not None and op.status.is_terminal and op.name == "charge":
            monkeypatch.setattr(OperationHandle, "status", property(lambda self: None))
        return step_flow(op, body, *args, **kwargs)

    @durable
    def handler(event, ctx):
        return ctx.step(str, "paid", name="charge")

    monkeypatch.setattr("powertools_durable._operations.step.step", forgetful)
    found = explore(handler)
    assert any("its body runs again though its result was acknowledged" in f.differed for f in found.failures)


# -- callbacks and functions ----------------------------------------------------------------------------------


@durable
def asks(event, ctx):
    try:
        return ctx.create_callback(name="approval", returns=str).result()
    except CallbackError as error:
        return f"refused: {error.message}"


def test_a_callback_is_answered_with_a_value_or_by_a_function():
    explore(asks, callbacks={"approval": "yes"}).assert_survives()
    explore(
        asks, callbacks={"approval": lambda callback: callback.heartbeat() and callback.fail("no")}
    ).assert_survives()


def test_a_callback_that_nobody_answers_is_a_mistake_of_the_test():
    answered = r"waits for callback 'approval'.*callbacks={name: answer}.*--answer NAME=JSON"
    with pytest.raises(ValidationError, match=answered):
        explore(asks)


def test_invoked_functions_come_with_a_simulator():
    @durable
    def payments(event, ctx):
        ctx.wait(3600)
        return ctx.step(lambda: event["amount"] * 2, name="double")

    @durable
    def buys(event, ctx):
        return [ctx.invoke("payments", {"amount": 4}), ctx.invoke("fake", {"amount": 1})]

    simulator = Simulator(buys, functions={"payments": payments, "fake": lambda event: event})
    found = explore(simulator)
    found.assert_survives()
    assert any("double" in str(point) for point in found.crash_points)


# -- what is found without a crash ----------------------------------------------------------------------------


def test_operations_that_nothing_tells_apart_are_a_warning():
    @durable
    def handler(event, ctx):
        return [ctx.step(lambda: 1), ctx.step(lambda: 2), ctx.step(lambda: 3, name="three")]

    found = explore(handler)
    found.assert_survives()
    (warning,) = found.warnings
    assert "several operations like step #1 have no name" in warning
    assert __file__ in warning
    assert warning in found.report()


def test_what_is_asked_of_clock_and_chance_outside_of_steps_is_a_warning_where_it_does_no_harm():
    @durable
    def handler(event, ctx):
        log.debug("began at %s", time.time())
        return ctx.step(time.time, name="now")

    found = explore(handler)
    found.assert_survives()
    (warning,) = found.warnings
    assert "time.time() is called outside of a step" in warning


def test_what_steps_and_this_package_open_is_nobody_s_mistake(tmp_path):
    @durable
    def handler(event, ctx):
        Path(__file__).read_bytes()  # reading does no harm
        return ctx.step((tmp_path / "receipt").write_text, "paid", name="write")

    explore(handler).assert_survives()


def test_a_connection_outside_of_a_step_is_found_without_a_ledger():
    @durable
    def handler(event, ctx):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"hello", ("127.0.0.1", 9))
        ctx.step(str, "a", name="a")

    (failure,) = explore(handler).failures
    assert failure.differed.startswith("sends to a host outside of any step")
    assert failure.location.startswith(f"{__file__}:")


# -- all is as it was -----------------------------------------------------------------------------------------


def test_nothing_of_it_is_left_in_the_process(monkeypatch):
    monkeypatch.setenv("STAGE", "test")
    random.seed(7)
    before = (random.getstate(), dict(os.environ), os.urandom)

    @durable
    def handler(event, ctx):
        random.random()
        os.environ["LEFT_BEHIND"] = "yes"
        return ctx.step(lambda: os.environ["STAGE"], name="look")

    with started_threads() as started:
        explore(handler)
    assert started.alive == []
    assert (random.getstate(), dict(os.environ), os.urandom) == before
    assert abs(datetime.now(UTC).timestamp() - time.clock_gettime(time.CLOCK_REALTIME)) < 5
    assert datetime.now(UTC).year != 2026 or time.time() > 1_767_300_000


def test_an_exploration_can_be_made_again_and_finds_the_same():
    ledger = Ledger()

    @durable
    def handler(event, ctx):
        ledger.record("mail")
        return ctx.step(str, "a", name="a")

    first, second = (explore(handler, ledger=ledger) for _ in range(2))
    assert first.report() == second.report()
    assert first.failures
    assert len(ledger) == 0


@pytest.mark.parametrize(
    ("result", "cut_off"),
    [
        ('{"t":"br","v":{"all":{"t":"l","v":[{"t":"m","v":{"status":{"t":"s","v":"STARTED"}}}]}}}', True),
        ('{"all":[{"index": 0, "status": "STARTED", "error": null,"result":null}]}', True),
        ('{"type": "MapResult", "totalCount": 4, "startedIndexes": [3], "startedCount": 1}', True),
        ('{"all":[{"index": 0, "status": "SUCCEEDED", "error": null,"result":"STARTED"}]}', False),
        ('{"type": "MapResult", "totalCount": 4, "startedIndexes": [], "startedCount": 0}', False),
        (None, False),
    ],
)
def test_a_fan_out_tells_whether_a_branch_was_cut_off(result, cut_off):
    details = ContextDetails(result=result)
    record = Operation(
        id="a", type=OperationType.CONTEXT, status=OperationStatus.SUCCEEDED, sub_type="Map", context_details=details
    )
    assert _cut_off(record) is cut_off


# -- a bound, and how far it is -------------------------------------------------------------------------------


def many_steps():
    @durable
    def handler(event, ctx):
        for number in range(4):
            ctx.step(int, number, name=f"step-{number}")

    return handler


@pytest.mark.slow
def test_a_bound_draws_runs_by_the_seed_and_says_so():
    whole = explore(many_steps())
    some, again = (explore(many_steps(), most=5) for _ in range(2))
    other = explore(Simulator(many_steps(), seed=1), most=5)
    assert (len(some.crash_points), some.left_out) == (5, len(whole.crash_points) - 5)
    assert some.runs == whole.runs - some.left_out
    assert some.crash_points == again.crash_points
    assert some.crash_points != other.crash_points
    assert f"drawn by seed 0: {some.left_out} more runs were left out" in some.report()
    assert (whole.left_out, "left out" in whole.report()) == (0, False)
    pairs = explore(many_steps(), most=len(whole.crash_points) + 3, crashes=2)
    assert (pairs.runs, len(pairs.crash_points)) == (whole.runs + 3, len(whole.crash_points))


def test_a_bound_holds_for_the_crashes_of_one_run_too():
    invocations = []

    @durable
    def handler(event, ctx):
        invocations.append(None)
        for number in range(24):
            ctx.step(int, number, name=f"step-{number}")

    found = explore(handler, most=3)
    # two runs with at most three crashes, three with one, and those without
    assert not found.failures
    assert len(invocations) <= 2 * 4 + 3 * 2 + (found.runs - 5)


def test_a_watcher_hears_of_each_run_and_can_not_hurt():
    heard = []
    found = explore(many_steps(), most=7, crashes=2, progress=lambda made, planned: heard.append((made, planned)))
    assert [made for made, _ in heard] == list(range(1, found.runs + 1))
    assert all(made <= planned for made, planned in heard)
    assert heard[-1] == (found.runs, found.runs)
    spoiled = explore(many_steps(), most=7, progress=lambda made, planned: 1 / 0)
    assert spoiled.warnings == ["progress= raised ZeroDivisionError and was not called again"]


@pytest.mark.parametrize("wrong", [{"most": 0}, {"most": 1.5}, {"most": "all"}, {"progress": 3}])
def test_a_wrong_bound_or_watcher_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        explore(many_steps(), **wrong)
