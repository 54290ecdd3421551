"""Durable calls at the wrong place: refused at the call, recorded nowhere, retried by nobody.

The cases of handlers are in tests/runtime/test_gestures.py; here each *method* is tried at each wrong place.
"""

from __future__ import annotations

import threading

import pytest

from powertools_durable import Retry, durable
from powertools_durable.errors import DurableError, StepError, SuspendExecution, ValidationError
from powertools_durable.testing import Simulator

CALLS = {
    "step": lambda ctx: ctx.step(int),
    "wait": lambda ctx: ctx.wait(1),
    "wait_until": lambda ctx: ctx.wait_until(ctx.started_at),
    "create_callback": lambda ctx: ctx.create_callback(),
    "run_in_child_context": lambda ctx: ctx.run_in_child_context(lambda child: 1),
    "virtual child": lambda ctx: ctx.run_in_child_context(lambda child: 1, virtual=True),
    "now": lambda ctx: ctx.now(),
    "step_with_compensation": lambda ctx: ctx.step_with_compensation(int, compensate=str),
    "flush_batch": lambda ctx: ctx.flush_batch(),
}
PATIENT = Retry(max_attempts=5, initial_delay=1)


@pytest.fixture(params=CALLS.values(), ids=CALLS)
def call(request):
    return request.param


def refused(handler, words, operations=()):
    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert words in run.error.error_message
    assert [op.name for op in run.operations] == list(operations)
    assert len(run.invocations) == 1
    return run


def test_inside_a_step(call):
    bodies = []

    @durable
    def handler(event, ctx):
        def body():
            bodies.append(1)
            call(ctx)

        ctx.step(body, name="outer", retry=PATIENT)

    refused(handler, "is called inside the body of step 'outer'", operations=["outer"])
    assert bodies == [1]


def test_inside_a_step_with_a_timeout_that_runs_on_a_thread_of_its_own(call):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: call(ctx), name="outer", timeout=30, retry=PATIENT)

    refused(handler, "is called inside the body of step 'outer'", operations=["outer"])


def test_inside_a_step_of_a_child(call):
    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(lambda child: child.step(lambda: call(child), name="inner"), name="child")

    refused(handler, "is called inside the body of step 'inner'", operations=["child", "inner"])


def test_a_callback_s_result_inside_a_step():
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        ctx.step(callback.result, name="outer", retry=PATIENT)

    refused(handler, "ctx.callback.result() is called inside the body of step 'outer'", ["approval", "outer"])


def test_compensations_inside_a_step():
    @durable
    def handler(event, ctx):
        ctx.step_with_compensation(lambda: 1, compensate=str, name="charge")
        ctx.step(ctx.run_compensations, name="outer", retry=PATIENT)

    refused(handler, "inside the body of step 'outer'", operations=["charge", "outer"])


def test_on_a_thread_that_the_handler_started(call):
    @durable
    def handler(event, ctx):
        raised = []

        def elsewhere():
            try:
                call(ctx)
            except ValidationError as error:
                raised.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        raise raised[0]

    refused(handler, "is called from another thread than the one its context belongs to")


def test_on_a_child_s_context_after_its_end(call):
    @durable
    def handler(event, ctx):
        kept = []
        ctx.run_in_child_context(kept.append, name="child")
        call(kept[0])

    refused(handler, "is called after its context has ended", operations=["child"])


def test_on_the_handler_s_context_after_the_invocation(call):
    kept = []

    @durable
    def handler(event, ctx):
        kept.append(ctx)

    Simulator(handler).start()
    with pytest.raises(ValidationError, match="after its context has ended"):
        call(kept[0])


def test_on_the_context_of_another_execution(call):
    kept, raised = [], []

    @durable
    def outer(event, ctx):
        kept.append(ctx)
        Simulator(inner).start()

    @durable
    def inner(event, ctx):
        try:
            call(kept[0])
        except ValidationError as error:
            raised.append(str(error))

    run = Simulator(outer).start()
    assert (run.status, run.operations) == ("SUCCEEDED", [])
    assert "on a context other than the one whose code is running" in raised[0]


def test_on_the_outer_context_inside_a_child(call):
    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(lambda child: call(ctx), name="child")

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert "use the context that was passed to this function" in run.error.error_message


def test_while_a_suspension_passes_through_it_is_raised_again_and_nothing_is_recorded(call):
    raised = []

    @durable
    def handler(event, ctx):
        try:
            ctx.create_callback(name="approval").result()
        finally:
            try:
                call(ctx)
            except BaseException as error:
                raised.append(type(error))
                raise

    run = Simulator(handler).start()
    assert (run.status, raised) == ("RUNNING", [SuspendExecution])
    assert [op.name for op in run.operations] == ["approval"]


# -- what else the error is -----------------------------------------------------------------------------------


def test_it_passes_by_every_except_for_failures_of_operations():
    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: ctx.wait(1), name="outer", retry=PATIENT)
        except StepError:
            return "hidden"

    refused(handler, "inside the body of step 'outer'", operations=["outer"])


def test_a_refused_call_does_not_shift_what_follows():
    """Caught, it is the same error on every replay, and took no number."""
    seen = []

    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: ctx.step(int), name="outer")
        except DurableError as error:
            seen.append(str(error))
        ctx.wait(60, name="nap")
        return ctx.step(lambda: "done", name="last")

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "done"), run.error
    assert len(set(seen)) == 1
    assert len(seen) == 2
