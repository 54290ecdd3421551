"""What running code may ask about itself: `current_step` and `current_scope`."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta

import pytest

from powertools_durable import Retry, ValidationError, current_scope, current_step, current_step_or_none, durable
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing import Simulator

TWICE = Retry(max_attempts=2, initial_delay=1)


def ran(handler, **options):
    run = Simulator(handler, **options).start().finish()
    assert run.status == "SUCCEEDED", run.error
    return run


def test_outside_an_invocation_there_is_neither():
    assert (current_step_or_none(), current_scope()) == (None, None)

    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1)

    ran(handler)
    assert (current_step_or_none(), current_scope()) == (None, None)


def test_in_a_handler_and_in_a_child_there_is_a_scope_but_no_step():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append((current_step_or_none(), current_scope()))
        ctx.run_in_child_context(lambda child: seen.append((current_step_or_none(), current_scope())), name="child")
        seen.append((current_step_or_none(), current_scope()))

    run = ran(handler)
    assert [step for step, _ in seen] == [None] * 3
    root, child, again = (scope for _, scope in seen)
    assert (root.context_id, root.parent_id, root.operation_id) == (None, None, None)
    assert (child.context_id, child.parent_id) == (run.operation("child").id, run.operation("child").id)
    assert root == again
    assert {root.execution_arn, child.execution_arn} == {run.arn}
    assert root.execution_name == "run-1"


def test_outside_of_a_step_current_step_says_what_to_do_and_harms_nothing():
    def refused(*_):
        with pytest.raises(ValidationError, match=r"current_step\(\) is called outside a step's body.*or_none"):
            current_step()
        return True

    assert refused()

    @durable
    def handler(event, ctx):
        assert refused()
        assert ctx.run_in_child_context(refused, name="child")
        assert ctx.map(refused, [1, 2], name="branches").results == [True, True]
        assert ctx.parallel([refused]).results == [True]
        ctx.step_with_compensation(lambda: 1, compensate=refused, name="undone")
        assert ctx.run_compensations().all_succeeded
        return ctx.step(lambda: (current_step(), current_step_or_none())[0] == current_step_or_none(), name="step")

    assert ran(handler).result is True


# -- steps ----------------------------------------------------------------------------------------------------


def test_a_body_learns_its_attempt_its_name_and_a_key_that_stays():
    seen = []

    def body():
        seen.append((current_step_or_none(), current_scope()))
        if len(seen) == 1:
            raise ValueError

    @durable
    def handler(event, ctx):
        ctx.step(body, name="charge", retry=TWICE)
        ctx.wait(60)

    run = ran(handler)
    record = run.operation("charge")
    assert [step.attempt for step, _ in seen] == [1, 2]
    assert {(step.operation_id, step.name) for step, _ in seen} == {(record.id, "charge")}
    assert len({step.idempotency_key for step, _ in seen}) == 1
    first, scope = seen[0]
    assert scope.step == first
    assert (scope.operation_id, scope.operation_name, scope.operation_type) == (record.id, "charge", "STEP")
    assert scope.attempt == 1


def test_keys_differ_between_steps_and_between_executions_and_survive_a_crash():
    keys = []

    def body(which):
        keys.append((which, current_step().idempotency_key))
        if len(keys) == 1:
            raise SystemExit

    @durable
    def handler(event, ctx):
        ctx.step(body, "a", name="same")
        ctx.step(body, "b", name="same")

    simulator = Simulator(handler)
    first, second = simulator.start().finish(), simulator.start().finish()
    assert first.status == second.status == "SUCCEEDED"
    crashed, again, *others = keys
    assert crashed == again
    assert len(dict.fromkeys(key for _, key in others)) == 3
    assert crashed not in others


@pytest.mark.parametrize(("timeout", "left"), [(None, 90), (30, 30), (1000, 90)])
def test_a_deadline_is_the_nearer_one_of_invocation_and_timeout(timeout, left):
    deadlines = []

    @durable
    def handler(event, ctx):
        ctx.step(lambda: deadlines.append(current_step().deadline), timeout=timeout)

    run = ran(handler, invocation_timeout=90)
    assert deadlines == [run.now + timedelta(seconds=left)]


def test_a_body_with_a_timeout_knows_its_step_on_its_own_thread():
    seen = []

    @durable
    def handler(event, ctx):
        ctx.step(lambda: seen.append((threading.get_ident(), current_step().name)), name="slow", timeout=30)

    ran(handler)
    (thread, name), *_ = seen
    assert (thread != threading.get_ident(), name) == (True, "slow")


def test_in_a_step_of_a_child_the_scope_names_the_child():
    scopes = []

    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(lambda child: child.step(lambda: scopes.append(current_scope())), name="child")

    run = ran(handler)
    assert scopes[0].context_id == run.operation("child").id


def test_after_a_step_that_raised_the_scope_is_the_handler_s_again():
    scopes = []

    @durable
    def handler(event, ctx):
        scopes.append(current_scope())
        try:
            ctx.step(lambda: {}["x"], retry=Retry.none())
        except Exception:  # noqa: BLE001
            scopes.append(current_scope())

    ran(handler)
    assert scopes[0] == scopes[1]


# -- replaying, unwinding -------------------------------------------------------------------------------------


def test_a_scope_says_whether_the_code_only_repeats_itself():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append(("start", current_scope().replaying))
        ctx.step(lambda: seen.append(("body", current_scope().replaying)))
        seen.append(("before", current_scope().replaying))
        ctx.wait(60)
        seen.append(("after", current_scope().replaying))

    ran(handler)
    assert seen == [
        ("start", False),
        ("body", False),
        ("before", False),
        ("start", True),
        ("before", True),
        ("after", False),
    ]


def test_a_scope_says_when_a_suspension_passes_through():
    seen = []

    @durable
    def handler(event, ctx):
        try:
            ctx.wait(60)
        except SuspendExecution:
            seen.append(current_scope().unwinding)
            raise
        seen.append(current_scope().unwinding)

    ran(handler)
    assert seen == [True, False]


# -- threads of one's own -------------------------------------------------------------------------------------


def test_a_bound_function_knows_the_execution_on_another_thread_and_a_plain_one_does_not():
    seen = {}

    @durable
    def handler(event, ctx):
        def look(which):
            seen[which] = current_scope()

        for which, function in (("plain", look), ("bound", ctx.bind(look))):
            thread = threading.Thread(target=function, args=(which,))
            thread.start()
            thread.join()
        return ctx.bind(look).__name__

    run = ran(handler)
    assert seen["plain"] is None
    assert seen["bound"].execution_arn == run.arn
    assert run.result == "look"


def test_what_is_told_is_not_for_changing():
    @durable
    def handler(event, ctx):
        with pytest.raises(dataclasses.FrozenInstanceError):
            current_scope().execution_arn = "mine"

    ran(handler)
