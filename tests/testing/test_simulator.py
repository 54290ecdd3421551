"""The simulator: an execution from start to end, without an account and without time."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import BaseModel, Field

from powertools_durable import Retry, StepError, durable
from powertools_durable.errors import CallbackExternalError, CallbackTimeoutError, ValidationError
from powertools_durable.testing import Simulator

log = logging.getLogger(__name__)


@durable
def order(event, ctx):
    charge = ctx.step(lambda: f"charged {event['id']}", name="charge")
    ctx.wait(timedelta(hours=1), name="settle")
    approval = ctx.create_callback(name="approval", returns=dict, timeout=timedelta(days=2))
    answer = approval.result()
    ctx.wait(timedelta(days=30), name="return period")
    return {"charge": charge, "by": answer["by"]}


# -- from start to end ----------------------------------------------------------------------------------------


def test_an_execution_runs_to_its_first_suspension_and_is_pushed_on_from_there():
    run = Simulator(order).start({"id": 42})
    assert (run.status, run.result, run.error) == ("RUNNING", None, None)
    assert [op.name for op in run.waiting_for] == ["settle"]

    run.advance(timedelta(hours=1))
    assert [op.name for op in run.waiting_for] == ["approval"]

    run.callback("approval").succeed({"by": "ada"})
    assert [op.name for op in run.waiting_for] == ["return period"]

    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", {"charge": "charged 42", "by": "ada"})
    assert run.waiting_for == []
    assert len(run.invocations) == 4


def test_what_it_shows_of_itself_says_what_it_waits_for():
    run = Simulator(order).start({"id": 42})
    assert repr(run) == "<SimulatedRun RUNNING, 1 invocations, waits for wait 'settle'>"
    run.finish().callback("approval").succeed({"by": "ada"}).finish()
    assert repr(run) == "<SimulatedRun SUCCEEDED, 4 invocations>"


def test_a_failed_execution_has_an_error_and_no_result():
    @durable
    def handler(event, ctx):
        ctx.wait(60)
        raise LookupError("no such order")

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("FAILED", None)
    assert (run.error.error_type, run.error.error_message) == ("LookupError", "no such order")


def test_every_push_returns_the_run():
    run = Simulator(order).start({"id": 42})
    assert run.settle() is run.step() is run.advance(0) is run.finish() is run
    callback = run.callback("approval")
    assert callback.heartbeat() is callback.succeed({"by": "ada"}) is run


def test_pushing_what_has_ended_changes_nothing():
    run = Simulator(durable(lambda event, ctx: 7)).start()
    before = run.history()
    assert run.settle().step().advance(timedelta(days=9)).finish().result == 7
    assert (run.history(), len(run.invocations)) == (before, 1)


# -- input ----------------------------------------------------------------------------------------------------


class Order(BaseModel):
    number: int = Field(alias="orderNumber")


@dataclass
class Item:
    sku: str


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (None, {}),
        ({"a": [1, None]}, {"a": [1, None]}),
        ("text", "text"),
        (Order(orderNumber=7), {"orderNumber": 7}),
        (Item("a"), {"sku": "a"}),
    ],
)
def test_an_input_is_what_json_makes_of_it(event, seen):
    assert Simulator(durable(lambda payload, ctx: payload)).start(event).result == seen


def test_executions_have_the_name_they_are_given_or_a_number():
    simulator = Simulator(durable(lambda payload, ctx: ctx.execution_arn))
    runs = [simulator.start(), simulator.start(name="order-42"), simulator.start()]
    assert [run.name for run in runs] == ["run-1", "order-42", "run-3"]
    assert [run.result for run in runs] == [run.arn for run in runs]
    assert len({run.arn for run in runs}) == 3


def test_decorators_above_durable_are_run_too():
    seen = []

    def above(function):
        def outer(event, context):
            seen.append(context.aws_request_id)
            return function(event, context)

        outer.__wrapped__ = function
        return outer

    run = Simulator(above(durable(lambda event, ctx: "done"))).start()
    assert (run.result, seen) == ("done", [run.invocations[0].request_id])


# -- looking --------------------------------------------------------------------------------------------------


def test_records_are_listed_in_the_order_of_their_start_and_found_by_name():
    run = Simulator(order).start({"id": 42}).finish()
    assert [op.name for op in run.operations] == ["charge", "settle", "approval"]
    charge = run.operation("charge")
    assert (charge.status, charge.result, charge.type) == ("SUCCEEDED", '"charged 42"', "STEP")
    assert charge.start_timestamp < run.operation("approval").start_timestamp


def test_each_invocation_is_listed_with_what_it_was_asked_and_what_it_answered():
    run = Simulator(order).start({"id": 42}).finish()
    assert [i.answer for i in run.invocations] == [{"Status": "PENDING"}] * 2
    assert [len(i.event["InitialExecutionState"]["Operations"]) for i in run.invocations] == [1, 3]
    assert [i.request_id for i in run.invocations] == ["run-1-1", "run-1-2"]


def test_history_tells_the_events_as_the_service_does():
    run = Simulator(order).start({"id": 42}).finish()
    run.callback("approval").succeed({"by": "ada"}).finish()
    told = [event["EventType"] for event in run.history()]
    assert [kind for kind in told if kind != "InvocationCompleted"] == [
        "ExecutionStarted",
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "WaitSucceeded",
        "CallbackStarted",
        "CallbackSucceeded",
        "WaitStarted",
        "WaitSucceeded",
        "ExecutionSucceeded",
    ]
    assert told.count("InvocationCompleted") == len(run.invocations)
    assert [event["EventId"] for event in run.history()] == list(range(1, len(told) + 1))


def test_logs_of_the_run_are_kept_and_those_of_others_are_not():
    @durable
    def handler(event, ctx):
        log.warning("stock of %s is low", event["sku"])
        ctx.step(lambda: log.error("no stock"))

    log.warning("before")
    run = Simulator(handler).start({"sku": "a"})
    log.warning("after")
    assert [(r.levelname, r.getMessage()) for r in run.logs] == [
        ("WARNING", "stock of a is low"),
        ("ERROR", "no stock"),
    ]
    assert not [h for h in logging.getLogger().handlers if type(h).__module__.startswith("powertools_durable")]


# -- virtual time ---------------------------------------------------------------------------------------------


def test_a_year_of_waits_is_a_few_invocations_and_no_sleep(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)

    @durable
    def handler(event, ctx):
        for month in range(12):
            ctx.wait(timedelta(days=30), name=f"month {month}")
        return (ctx.now() - ctx.started_at).total_seconds()

    run = Simulator(handler).start()
    began = run.now
    run.finish()
    assert (run.result, run.now - began) == (360 * 86_400, timedelta(days=360))
    assert (len(run.invocations), slept) == (13, [])


def test_advance_stops_where_it_is_told():
    run = Simulator(order).start({"id": 42})
    began = run.now
    assert run.advance(timedelta(minutes=59)).status == "RUNNING"
    assert (len(run.invocations), run.now - began) == (1, timedelta(minutes=59))
    run.advance(60)
    assert (len(run.invocations), run.now - began) == (2, timedelta(hours=1))


def test_advance_fires_all_that_is_due_on_the_way_each_at_its_moment():
    @durable
    def handler(event, ctx):
        for _ in range(5):
            ctx.wait(60)

    run = Simulator(handler).start()
    began = run.now
    run.advance(timedelta(seconds=200))
    assert [op.end_timestamp and (op.end_timestamp - began).seconds for op in run.operations] == [60, 120, 180, None]
    assert run.now - began == timedelta(seconds=200)


def test_step_goes_to_the_next_timer_and_no_further():
    @durable
    def handler(event, ctx):
        ctx.wait(60)
        ctx.wait(3600)

    run = Simulator(handler).start()
    began = run.now
    assert run.step().now - began == timedelta(seconds=60)
    assert run.step().now - began == timedelta(seconds=3660)
    assert run.status == "SUCCEEDED"


def test_retries_are_waited_for_in_virtual_time():
    attempts = []

    def flaky():
        attempts.append(1)
        if len(attempts) < 3:
            raise TimeoutError
        return "there"

    @durable
    def handler(event, ctx):
        return ctx.step(flaky, name="call", retry=Retry(max_attempts=3, initial_delay=100, jitter="none"))

    run = Simulator(handler).start()
    began = run.now
    assert ([op.name for op in run.waiting_for], len(attempts)) == (["call"], 1)
    run.finish()
    assert (run.result, len(attempts), run.now - began) == ("there", 3, timedelta(seconds=300))


# -- callbacks ------------------------------------------------------------------------------------------------


@durable
def ask(event, ctx):
    callback = ctx.create_callback(name="approval", timeout=600, heartbeat_timeout=event.get("heartbeat"))
    try:
        return ["answered", callback.result()]
    except CallbackTimeoutError as error:
        return ["timed out", error.error_type]
    except CallbackExternalError as error:
        return ["failed", error.error_type, error.message]


class Answer(BaseModel):
    approved: bool


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("yes", '"yes"'), ({"a": 1}, '{"a": 1}'), (Answer(approved=True), '{"approved":true}')],
)
def test_a_callback_is_answered_by_its_name_with_json(value, text):
    assert Simulator(ask).start({}).callback("approval").succeed(value).result == ["answered", text]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LookupError("gone"), ["LookupError", "gone"]),
        ("gone", ["CallbackExternalError", "gone"]),
        ("", ["CallbackExternalError", "Callback failed"]),
    ],
)
def test_a_callback_is_failed_by_its_name(error, told):
    assert Simulator(ask).start({}).callback("approval").fail(error).result == ["failed", *told]


def test_a_callback_that_nobody_answers_times_out():
    run = Simulator(ask).start({})
    assert run.advance(599).status == "RUNNING"
    assert run.advance(1).result == ["timed out", "Callback.Timeout"]


def test_finish_does_not_wait_for_a_callback_s_timeout():
    run = Simulator(ask).start({}).finish()
    assert (run.status, [op.name for op in run.waiting_for]) == ("RUNNING", ["approval"])


def test_a_heartbeat_keeps_a_callback_alive_until_it_stops():
    run = Simulator(ask).start({"heartbeat": 60})
    for _ in range(3):
        run.advance(50).callback("approval").heartbeat()
    assert (run.status, len(run.invocations)) == ("RUNNING", 1)
    assert run.advance(60).result == ["timed out", "Callback.Heartbeat"]


def test_an_answer_that_comes_before_it_is_asked_for_is_kept():
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="early")
        ctx.wait(60)
        return callback.result()

    run = Simulator(handler).start()
    run.callback("early").succeed("x")
    assert run.finish().result == '"x"'


def test_of_two_callbacks_of_one_name_the_older_open_one_is_meant():
    @durable
    def handler(event, ctx):
        first, second = ctx.create_callback(name="vote"), ctx.create_callback(name="vote")
        return [first.result(), second.result()]

    run = Simulator(handler).start()
    run.callback("vote").succeed(1).callback("vote").succeed(2)
    assert run.result == ["1", "2"]


# -- the end of an invocation ---------------------------------------------------------------------------------


def test_an_invocation_that_dies_is_made_again_and_what_was_acknowledged_stays():
    runs = []

    @durable
    def handler(event, ctx):
        ctx.step(lambda: runs.append("a"), name="a")
        ctx.step(lambda: runs.append("b"), name="b")
        if runs.count("handler") == 0:
            runs.append("handler")
            raise SystemExit
        return "done"

    run = Simulator(handler).start()
    assert (run.status, len(run.invocations)) == ("RUNNING", 1)
    assert run.finish().result == "done"
    assert runs == ["a", "b", "handler"]
    died, went_on = run.invocations
    assert (died.answer.error_type, went_on.answer["Status"]) == ("SystemExit", "SUCCEEDED")


def test_one_that_dies_inside_a_step_runs_that_step_again_only():
    runs = []

    @durable
    def handler(event, ctx):
        def dies():
            runs.append("b")
            if runs.count("b") == 1:
                raise SystemExit
            return "b"

        ctx.step(lambda: runs.append("a"), name="a")
        return ctx.step(dies, name="b")

    assert Simulator(handler).start().finish().result == "b"
    assert runs == ["a", "b", "b"]


def test_a_handler_that_dies_every_time_is_given_up():
    @durable
    def handler(event, ctx):
        raise SystemExit

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type, len(run.invocations)) == ("FAILED", "SystemExit", 5)


def test_a_developer_who_interrupts_gets_the_interrupt_and_can_go_on():
    runs = []

    @durable
    def handler(event, ctx):
        runs.append(1)
        if len(runs) == 2:
            raise KeyboardInterrupt
        ctx.wait(60)
        return "done"

    run = Simulator(handler).start()
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    assert run.finish().result == "done"


def test_a_failing_step_fails_the_handler_unless_it_is_caught():
    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: {}["x"], retry=Retry.none(), name="look")
        except StepError as error:
            if event["catch"]:
                return error.error_type
            raise

    assert Simulator(handler).start({"catch": True}).result == "KeyError"
    run = Simulator(handler).start({"catch": False})
    assert (run.status, run.error.error_type) == ("FAILED", "StepError")


@pytest.mark.parametrize("timeout", [90, timedelta(seconds=90)])
def test_a_handler_sees_the_invocation_s_timeout(timeout):
    @durable
    def handler(event, ctx):
        return [ctx.remaining_time.total_seconds(), ctx.lambda_context.get_remaining_time_in_millis()]

    assert Simulator(handler, invocation_timeout=timeout).start().result == [90, 90_000]


def test_a_body_that_outlasts_the_invocation_fails_it_and_runs_again_in_the_next():
    attempts, go = [], threading.Event()

    def body():
        attempts.append(1)
        if len(attempts) == 1:
            go.wait(60)
        return "in time"

    @durable
    def handler(event, ctx):
        return ctx.step(body, timeout=900, name="slow")

    run = Simulator(handler, invocation_timeout=0.5).start()
    assert (run.status, run.invocations[0].answer.error_type) == ("RUNNING", "BackendError")
    go.set()
    assert run.finish().result == "in time"


# -- callbacks: what is said of those that can't be answered ---------------------------------------------------------


def test_a_callback_of_an_execution_that_has_ended_is_named_with_how_it_ended():
    @durable
    def handler(event, ctx):
        ctx.create_callback(name="approval")
        raise KeyError("sku")

    run = Simulator(handler).start().finish()
    with pytest.raises(
        LookupError, match="no callback named 'approval' waits for an answer: the execution is FAILED with"
    ):
        run.callback("approval")


def test_a_callback_that_is_not_open_is_told_beside_those_that_are():
    @durable
    def handler(event, ctx):
        return ctx.create_callback(name="approval").result()

    run = Simulator(handler).start().finish()
    with pytest.raises(LookupError, match="waits for an answer; open: 'approval'"):
        run.callback("aproval")


@pytest.mark.parametrize("wrong", [{"ErrorType": "Rejected"}, 7, ["no"], KeyError], ids=repr)
def test_a_failure_is_an_exception_an_error_object_or_text(wrong):
    @durable
    def handler(event, ctx):
        return ctx.create_callback(name="approval").result()

    run = Simulator(handler).start().finish()
    with pytest.raises(ValidationError, match=r"fail\(\) takes an exception, an ErrorObject or a text, not an? "):
        run.callback("approval").fail(wrong)
    assert run.status == "RUNNING"
