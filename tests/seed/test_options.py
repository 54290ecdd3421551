"""What the seed's step options and operations became."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from powertools_durable import Retry, StepError, StepTimeoutError, durable, errors
from powertools_durable.testing import Simulator


def finish(handler, event=None):
    return Simulator(handler).start(event or {}).finish()


def failing(attempts, error=ValueError):
    def body():
        attempts.append(1)
        raise error("no")

    return body


# -- retries(n), backoff_seconds(s), retry_if(pred), timeout_seconds(s) ---------------------------------------


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_n_retries_are_n_plus_one_attempts(retries):
    attempts = []

    @durable
    def handler(event, ctx):
        ctx.step(failing(attempts), retry=Retry(max_attempts=retries + 1, initial_delay=1))

    run = finish(handler)
    assert (run.status, run.error.error_type, len(attempts)) == ("FAILED", "StepError", retries + 1)


def test_a_step_that_says_nothing_is_retried():
    attempts = []

    @durable
    def handler(event, ctx):
        ctx.step(failing(attempts))

    finish(handler)
    assert len(attempts) == 6


@pytest.mark.parametrize(("interval", "waited"), [(0, 1), (0.2, 1), (7, 7), (timedelta(minutes=1), 60)])
def test_a_constant_backoff_is_at_least_a_second(interval, waited):
    attempts = []

    @durable
    def handler(event, ctx):
        ctx.step(failing(attempts), name="s", retry=lambda error, attempt: interval if attempt == 1 else None)

    run = Simulator(handler).start()
    began = run.now
    run.finish()
    assert run.now - began == timedelta(seconds=waited)
    assert len(attempts) == 2


def never(error):
    return False


def breaks(error):
    raise RuntimeError


@pytest.mark.parametrize("predicate", [never, breaks])
def test_a_predicate_that_says_no_or_breaks_ends_it_at_once(predicate):
    attempts = []

    @durable
    def handler(event, ctx):
        ctx.step(failing(attempts), retry=Retry(max_attempts=5, initial_delay=1, retry_if=predicate))

    run = finish(handler)
    assert (run.status, attempts) == ("FAILED", [1])


def test_a_timeout_is_a_failed_attempt_that_is_retried_and_recorded():
    attempts, go = [], threading.Event()

    def body():
        attempts.append(1)
        if len(attempts) == 1:
            go.wait(60)
        return "in time"

    @durable
    def handler(event, ctx):
        return ctx.step(body, timeout=0.3, retry=Retry(max_attempts=2, initial_delay=1))

    run = finish(handler)
    go.set()
    assert (run.status, run.result, len(attempts)) == ("SUCCEEDED", "in time", 2)
    assert "StepFailed" in [event["EventType"] for event in run.history()]


def test_a_timeout_that_is_not_retried_is_its_own_error():
    go = threading.Event()

    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: go.wait(60), name="slow", timeout=0.05, retry=Retry.none())
        except StepTimeoutError as error:
            return [error.code, error.operation]

    run = finish(handler)
    go.set()
    assert run.result == ["STEP_TIMEOUT", "slow"]


# -- a user's error is an exception, not a value; parents are always sent -------------------------------------


def test_an_error_is_raised_alike_on_the_first_run_and_on_every_replay():
    seen = []

    @durable
    def handler(event, ctx):
        try:
            ctx.step(failing([], LookupError), retry=Retry.none(), name="find")
        except StepError as error:
            seen.append((error.message, error.error_type, error.operation))
        ctx.wait(60)

    assert finish(handler).status == "SUCCEEDED"
    assert seen == [("no", "LookupError", "find")] * 2


def test_every_kind_of_operation_tells_its_parent():
    @durable
    def handler(event, ctx):
        def inner(child):
            child.step(lambda: 1, name="step")
            child.wait(1, name="wait")
            child.create_callback(name="callback")
            child.run_in_child_context(lambda _: 1, name="child")
            child.step_with_compensation(lambda: 1, compensate=str, name="undo")
            child.run_compensations()

        ctx.run_in_child_context(inner)

    run = finish(handler)
    outer, *rest = run.operations
    assert (outer.name, len(rest)) == ("inner", 6)
    assert {op.parent_id for op in rest} == {outer.id}


# -- wait, callback, child_context ----------------------------------------------------------------------------


def test_a_wait_is_started_once_however_often_the_handler_comes_by():
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="poke")
        ctx.wait(60, name="long")
        callback.result()

    run = Simulator(handler).start()
    run.callback("poke").succeed()
    assert len(run.invocations) == 2
    run.finish()
    assert [e["EventType"] for e in run.history()].count("WaitStarted") == 1


@pytest.mark.parametrize(("returns", "answer"), [(None, '{"a": 1}'), (dict, {"a": 1})], ids=["text", "as JSON"])
def test_a_callback_s_answer_is_text_unless_json_is_asked_for(returns, answer):
    @durable
    def handler(event, ctx):
        return ctx.create_callback(name="go", returns=returns).result()

    run = Simulator(handler).start()
    assert run.callback("go").succeed({"a": 1}).result == answer


def test_an_error_in_a_child_context_is_recorded_and_not_run_again():
    runs = []

    @durable
    def handler(event, ctx):
        try:
            ctx.child_context(lambda child: runs.append(1) or {}["x"], name="child")
        except errors.ChildContextError as error:
            ctx.wait(60)
            return error.error_type

    run = finish(handler)
    assert (run.result, runs, run.operation("child").status) == ("KeyError", [1], "FAILED")


# -- codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NonDeterminismError, "REPLAY_MISMATCH"),
        (errors.BackendError, "CHECKPOINT_FAILED"),
        (errors.SerDesError, "SERIALIZATION"),
        (errors.OperationError, "AWS_SDK_OPERATION"),
        (errors.CallbackError, "CALLBACK_FAILED"),
        (errors.CallbackExternalError, "CALLBACK_FAILED"),
        (errors.InvokeError, "INVOKE_FAILED"),
        (errors.BatchError, "PARALLEL_FAILED"),
        (errors.ChildContextError, "CHILD_CONTEXT_FAILED"),
        (errors.StepTimeoutError, "STEP_TIMEOUT"),
        (errors.CompensationError, "COMPENSATION_FAILED"),
    ],
)
def test_codes_keep_the_seed_s_spelling(error, code):
    assert error.code == code
