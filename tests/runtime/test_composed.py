"""What is made of several operations: wait_for_callback, with_retry, and invokes in branches.

See docs/contributing/protocol.md#wait-for-callback, #child-context.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable import (
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    Completion,
    InvokeError,
    Retry,
    durable,
)
from powertools_durable.errors import RetryableSerDesError
from powertools_durable.testing import Simulator
from tests.runtime.rig import Served

ONCE, SOON = Retry.none(), Retry(max_attempts=3, initial_delay=10, jitter="none")
LONG = "n" * 256


def fails(*_):
    raise ValueError("no")


# -- wait_for_callback ---------------------------------------------------------------------------------------------


def asking(submit=lambda callback_id: None, **options):
    told = []

    @durable
    def handler(event, ctx):
        try:
            answer = ctx.wait_for_callback(submit, name="ask", **options)
        except Exception as error:  # noqa: BLE001
            told.append((type(error).__name__, str(error), error.error_type, type(error.__cause__).__name__))
            ctx.wait(60)
            return told[-1]
        return answer

    return Simulator(handler).start(), told


def test_it_submits_once_and_returns_the_answer_as_text():
    sent = []
    run, _ = asking(submit=sent.append)
    run.callback("ask").succeed({"ok": True})
    assert (run.result, len(sent)) == ('{"ok": true}', 1)
    assert [record.name for record in run.operations] == ["ask", "ask create callback id", "ask submitter"]
    assert [record.sub_type for record in run.operations] == ["WaitForCallback", "Callback", "Step"]


@pytest.mark.parametrize(
    ("options", "happens", "told"),
    [
        ({}, lambda run: run.callback("ask").fail("declined"), CallbackExternalError),
        ({"timeout": 30}, lambda run: run.advance(timedelta(minutes=1)), CallbackTimeoutError),
        ({"heartbeat_timeout": 30}, lambda run: run.advance(timedelta(minutes=1)), CallbackTimeoutError),
        ({"submit": fails, "retry": ONCE}, lambda run: run, CallbackSubmitterError),
    ],
    ids=["declined", "timeout", "heartbeat", "submitter"],
)
def test_each_failure_has_its_own_name_and_says_the_same_on_every_replay(options, happens, told):
    run, seen = asking(**options)
    happens(run)
    run.finish()
    assert run.result[0] == told.__name__
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_a_submitter_is_tried_again_with_the_same_callback():
    sent = []

    def submit(callback_id):
        sent.append(callback_id)
        if len(sent) < 3:
            raise OSError

    run, _ = asking(submit=submit, retry=SOON)
    run.finish()
    run.callback("ask").succeed("yes")
    assert (run.result, len(sent), len(set(sent))) == ('"yes"', 3, 1)


@pytest.mark.parametrize("kind", ["wait_for_callback", "with_retry"])
def test_a_name_of_the_greatest_length_leaves_room_for_the_names_inside(kind):
    tries = []

    def flaky():
        tries.append(1)
        return fails() if len(tries) == 1 else "ok"

    @durable
    def handler(event, ctx):
        if kind == "with_retry":
            return ctx.with_retry(lambda child: child.step(flaky, retry=ONCE), retry=SOON, name=LONG)
        return ctx.wait_for_callback(lambda i: None, name=LONG)

    run = Simulator(handler).start().finish()
    if kind == "wait_for_callback":
        run.callback(LONG).succeed()
    assert run.status == "SUCCEEDED"


# -- with_retry ----------------------------------------------------------------------------------------------------


def test_each_attempt_has_operations_of_its_own_and_waits_for_the_next_one():
    tries = []

    def attempt(child, order):
        child.step(lambda: tries.append(order), name="reserve")
        return child.step(lambda: fails() if len(tries) < 3 else f"{order} after {len(tries)}", name="pay", retry=ONCE)

    @durable
    def handler(event, ctx):
        return ctx.with_retry(attempt, "order-42", retry=SOON)

    run = Served(handler)
    began = run.now
    run.finish()
    assert run.result == "order-42 after 3"
    assert (run.now - began).total_seconds() == 30  # 10 and 20
    names = [record.name for record in run.operations]
    assert names == [
        "attempt",
        *["reserve", "pay", "attempt-backoff-1"],
        "reserve",
        "pay",
        "attempt-backoff-2",
        "reserve",
        "pay",
    ]
    assert len(tries) == 3  # what was acknowledged did not run again


def test_when_every_attempt_failed_the_last_error_is_told_the_same_on_every_replay():
    told = []

    @durable
    def handler(event, ctx):
        try:
            ctx.with_retry(fails, retry=SOON)
        except ChildContextError as error:
            told.append((error.error_type, str(error)))
            ctx.wait(60)

    run = Simulator(handler).start().finish()
    assert (run.status, told) == ("SUCCEEDED", [("ValueError", "no")] * 2)


@pytest.mark.parametrize(
    "retry", [Retry(retry_on=KeyError), Retry(retry_if=lambda error: "yes" in str(error)), lambda error, attempt: None]
)
def test_an_error_that_the_policy_does_not_mean_is_not_tried_again(retry):
    tries = []

    def attempt(child):
        tries.append(1)
        fails()

    run = Simulator(durable(lambda event, ctx: ctx.with_retry(attempt, retry=retry))).start().finish()
    assert (run.error.error_type, len(tries)) == ("ChildContextError", 1)


def test_misuse_is_not_tried_again():
    run = Simulator(durable(lambda event, ctx: ctx.with_retry(lambda c: c.wait(0), retry=SOON))).start().finish()
    assert (run.error.error_type, len(run.invocations)) == ("ValidationError", 1)


def test_a_serdes_that_asks_for_another_invocation_gets_one_and_no_attempt_is_counted():
    calls = []

    class Away:
        def serialize(self, value, context):
            calls.append(1)
            if len(calls) == 1:
                raise RetryableSerDesError("later")
            return value

        def deserialize(self, text, context):
            return text

    @durable
    def handler(event, ctx):
        return ctx.with_retry(lambda child: child.step(lambda: "ok", serdes=Away()), retry=Retry(max_attempts=1))

    assert Simulator(handler).start().finish().result == "ok"


def test_a_policy_that_answers_nonsense_is_a_usage_error():
    run = Simulator(durable(lambda event, ctx: ctx.with_retry(fails, retry=lambda e, n: "soon"))).start().finish()
    assert run.error.error_type == "ValidationError"


def test_without_a_policy_it_is_refused():
    run = Served(durable(lambda event, ctx: ctx.with_retry(fails, retry=None))).finish()
    assert (run.error.error_type, run.told) == ("ValidationError", [])


def test_in_a_branch_it_waits_while_the_others_go_on():
    tries = []

    def attempt(child):
        return child.step(lambda: tries.append(1) or (fails() if len(tries) < 2 else "ok"), retry=ONCE)

    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda c: c.with_retry(attempt, retry=SOON), lambda c: c.step(lambda: "other")]).results

    assert Simulator(handler).start().finish().result == ["ok", "other"]


# -- invoke in branches --------------------------------------------------------------------------------------------


def test_functions_that_branches_invoke_run_side_by_side_and_their_failures_stay_theirs():
    def price(event):
        if event == "b":
            raise LookupError("no such thing")
        return f"{event} costs 1"

    @durable
    def handler(event, ctx):
        result = ctx.map(
            lambda child, thing: child.invoke("price", thing), ["a", "b", "c"], completion=Completion.all_completed()
        )
        return [result.results, [[type(error.__cause__).__name__, error.message] for error in result.errors]]

    run = Simulator(handler, functions={"price": price}).start().finish()
    assert run.result == [["a costs 1", "c costs 1"], [["InvokeError", "no such thing"]]]
    assert len(run.invocations) <= 4


def test_an_invoke_that_fails_is_told_the_same_on_every_replay():
    told = []

    @durable
    def handler(event, ctx):
        try:
            ctx.invoke("other")
        except InvokeError as error:
            told.append((error.error_type, str(error)))
            ctx.wait(60)

    Simulator(handler, functions={"other": fails}).start().finish()
    assert told == [("ValueError", "no")] * 2
