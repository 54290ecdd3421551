"""`RetryInvocation` ends the invocation, wherever it is raised: nothing is recorded, and the next one continues."""

from __future__ import annotations

import pytest

from powertools_durable import Completion, Retry, StepError, StepSemantics, durable
from powertools_durable.errors import RetryInvocation
from powertools_durable.serdes import PlainJson
from powertools_durable.testing import Simulator


def raising_once():
    """Return a function that raises when it is first called, and then returns ``"done"``."""
    calls = []

    def code(*_):
        calls.append(1)
        if len(calls) == 1:
            raise RetryInvocation("not now")
        return "done"

    return code


def in_the_handler(ctx, code):
    return code()


def in_a_step(ctx, code):
    return ctx.step(code, name="work", retry=Retry.none())


def in_a_child_context(ctx, code):
    return ctx.run_in_child_context(code, name="work")


def in_a_virtual_context(ctx, code):
    return ctx.run_in_child_context(code, name="work", virtual=True)


def in_a_branch(ctx, code):
    return ctx.parallel([code]).results[0]


def in_an_item(ctx, code):
    return ctx.map(code, [1]).results[0]


def in_attempts(ctx, code):
    return ctx.with_retry(code, retry=Retry.none())


def in_a_check(ctx, code):
    return ctx.wait_for_condition(code, initial="", polling=lambda state, number: None)


def in_a_polling_function(ctx, code):
    def polling(state, number):
        code()

    return ctx.wait_for_condition(lambda state: "done", initial="", polling=polling)


def in_a_completion_rule(ctx, code):
    def rule(status):
        code()

    return ctx.parallel([lambda child: "done"], completion=Completion(when=rule)).results[0]


def in_a_serdes(ctx, code):
    class Storing(PlainJson):
        def serialize(self, value, context):
            code()
            return super().serialize(value, context)

    return ctx.step(lambda: "done", serdes=Storing())


def in_a_saga(ctx, code):
    with ctx.saga():
        return code()


def in_a_retry_policy(ctx, code):
    def fail():
        raise ValueError("no")

    def policy(error, attempt):
        code()

    try:
        ctx.step(fail, retry=policy)
    except StepError:
        return "done"


PLACES = [
    in_the_handler,
    in_a_step,
    in_a_child_context,
    in_a_virtual_context,
    in_a_branch,
    in_an_item,
    in_attempts,
    in_a_check,
    in_a_polling_function,
    in_a_completion_rule,
    in_a_serdes,
    in_a_saga,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.sampled(12)
def test_the_invocation_fails_and_the_next_one_goes_on(place):
    code = raising_once()

    @durable
    def handler(event, ctx):
        return place(ctx, code)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "done")
    assert run.invocations[0].answer.error_type == "RetryInvocation"
    assert not [event for event in run.history() if event["EventType"].endswith("Failed")]


def test_a_retry_policy_that_raises_it_decides_nothing():
    code = raising_once()

    @durable
    def handler(event, ctx):
        return in_a_retry_policy(ctx, code)

    run = Simulator(handler).start().finish()
    assert run.result == "done"
    assert run.invocations[0].answer.error_type == "RetryInvocation"


@pytest.mark.parametrize("retry", [Retry.none(), Retry.fixed(1, max_attempts=2)])
def test_an_at_most_once_step_counts_the_attempt_as_interrupted(retry):
    code = raising_once()

    @durable
    def handler(event, ctx):
        try:
            return ctx.step(code, name="work", semantics=StepSemantics.AT_MOST_ONCE, retry=retry)
        except StepError as error:
            return error.error_type

    run = Simulator(handler).start().finish()
    assert run.result == ("StepInterruptedError" if retry.max_attempts == 1 else "done")
    assert run.invocations[0].answer.error_type == "RetryInvocation"
    failed = next(event for event in run.history() if event["EventType"] == "StepFailed")
    assert failed["StepFailedDetails"]["Error"]["Payload"]["ErrorType"] == "StepInterruptedError"


def test_what_was_recorded_before_it_is_not_done_again():
    charges, code = [], raising_once()

    @durable
    def handler(event, ctx):
        ctx.step(lambda: charges.append(1), name="charge")
        return code()

    assert Simulator(handler).start().finish().result == "done"
    assert charges == [1]


def test_deferred_calls_run_at_the_real_end_only():
    cleaned, code = [], raising_once()

    @durable
    def handler(event, ctx):
        ctx.defer(cleaned.append, 1)
        return code()

    assert Simulator(handler).start().finish().result == "done"
    assert cleaned == [1]
