"""The local runner: the same handler on the real clock, through crashes of every kind."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from datetime import timedelta

import pytest
from pydantic import BaseModel

from powertools_durable import Retry, StepSemantics, durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalExecutions, LocalRunner, SqliteStore

ONCE = Retry(max_attempts=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "executions.sqlite"


def run(handler, path, event=None, **options):
    return LocalRunner(handler, path, skip_time=True).run(event, **options)


# -- running ---------------------------------------------------------------------------------------------------


def test_a_handler_runs_to_its_end(path):
    @durable
    def handler(event: dict, ctx):
        doubled = ctx.step(lambda: event["n"] * 2, name="double")
        ctx.wait(timedelta(days=365))
        return doubled + 1

    one = run(handler, path, {"n": 4})
    assert (one.status, one.result, one.invocations) == ("SUCCEEDED", 9, 2)
    assert [record.name for record in one.operations] == ["double", None]
    assert one.input == {"n": 4}


def test_a_short_wait_takes_its_time_on_the_real_clock(path):
    @durable
    def handler(event, ctx):
        ctx.wait(1, name="pause")

    one = LocalRunner(handler, path).run()
    pause = one.operation("pause")
    assert one.ended - pause.start_timestamp >= timedelta(seconds=1)


def test_decorators_above_durable_are_run_too(path):
    calls = []

    def outer(function):
        @functools.wraps(function)
        def call(event, context):
            calls.append(context.aws_request_id)
            return function(event, context)

        return call

    @outer
    @durable
    def handler(event, ctx):
        ctx.wait(1)
        return "done"

    assert run(handler, path).result == "done"
    assert len(set(calls)) == 2


def test_a_failing_handler_fails_the_execution(path):
    @durable
    def handler(event, ctx):
        raise LookupError("no such order")

    one = run(handler, path)
    assert (one.status, one.error.error_type, one.error.error_message) == ("FAILED", "LookupError", "no such order")


class Order(BaseModel):
    id: str


@dataclasses.dataclass
class Plain:
    id: str


@pytest.mark.parametrize("event", [Order(id="1"), Plain("1"), {"id": "1"}], ids=["model", "dataclass", "dict"])
def test_an_event_may_be_anything_that_has_json(path, event):
    @durable
    def handler(event: Order, ctx):
        return event.id

    assert run(handler, path, event).result == "1"


def test_what_is_not_durable_is_refused(path):
    with pytest.raises(ValidationError, match="takes a function decorated with @durable, not a function"):
        LocalRunner(lambda event, ctx: None, path)


def test_an_event_without_json_is_refused_before_anything_is_written(path):
    @durable
    def handler(event, ctx): ...

    runner = LocalRunner(handler, path)
    with pytest.raises(ValidationError, match="the event has no JSON"):
        runner.run(object())
    assert list(runner.executions) == []


# -- names -----------------------------------------------------------------------------------------------------


def test_the_same_name_and_input_is_the_same_execution(path):
    runs = []

    @durable
    def handler(event, ctx):
        return ctx.step(lambda: runs.append(1) or len(runs))

    first = run(handler, path, {"id": 1}, name="order-1")
    again = run(handler, path, {"id": 1}, name="order-1")
    assert (again.id, again.result, runs) == (first.id, 1, [1])


def test_the_same_name_with_another_input_is_refused(path):
    @durable
    def handler(event, ctx): ...

    run(handler, path, {"id": 1}, name="order-1")
    with pytest.raises(ValidationError, match="'order-1' with another input"):
        run(handler, path, {"id": 2}, name="order-1")


def test_a_bad_name_is_refused(path):
    @durable
    def handler(event, ctx): ...

    with pytest.raises(ValidationError, match="1 to 64 letters"):
        run(handler, path, name="order/1")


# -- callbacks -------------------------------------------------------------------------------------------------


@durable
def asks(event, ctx):
    callback = ctx.create_callback(name="approval", timeout=3600, heartbeat_timeout=600)
    return callback.result()


def test_a_prepared_answer_is_given_when_it_is_waited_for(path):
    assert run(asks, path, answers={"approval": {"ok": True}}).result == '{"ok": true}'


def test_another_process_answers_while_the_runner_waits(path):
    answered = threading.Event()

    def answer(one, events):
        if any(event["EventType"] == "InvocationCompleted" for event in events) and one.open_callbacks:
            threading.Thread(target=other).start()

    def other():
        LocalExecutions(SqliteStore(path)).callback("approval").succeed(7)
        answered.set()

    one = LocalRunner(asks, path).run(watch=answer)  # it would skip to the deadline with skip_time
    assert answered.is_set()
    assert one.result == "7"


def test_without_waiting_the_runner_returns_and_somebody_goes_on_later(path):
    runner = LocalRunner(asks, path, skip_time=True)
    one = runner.run(wait=False)
    assert (one.status, [record.name for record in one.waiting_for]) == ("RUNNING", ["approval"])
    callback = LocalExecutions(SqliteStore(path)).callback("approval")
    callback.heartbeat()
    callback.fail("not today")
    assert runner.resume().status == "FAILED"
    assert one.error.error_message == "not today"


def test_an_answer_comes_once(path):
    runner = LocalRunner(asks, path, skip_time=True)
    runner.run(wait=False)
    callback = runner.executions.callback("approval")
    callback.succeed(1)
    with pytest.raises(ValidationError, match="was answered already at .*; it takes one answer"):
        callback.succeed(2)


def test_a_callback_is_found_by_its_id_and_the_id_is_in_no_message(path):
    runner = LocalRunner(asks, path, skip_time=True)
    one = runner.run(wait=False)
    secret = one.operation("approval").callback_details.callback_id
    assert runner.executions.callback(secret).record.name == "approval"
    with pytest.raises(LookupError, match="open: 'approval' of") as caught:
        runner.executions.callback(secret[:-1])
    assert secret[:-1] not in str(caught.value)


def test_a_name_that_two_executions_wait_for_needs_the_execution(path):
    runner = LocalRunner(asks, path, skip_time=True)
    first = runner.run(name="first", wait=False)
    runner.run(name="second", wait=False)
    with pytest.raises(LookupError, match="2 callbacks .* add --execution ID, of one of these: first, second"):
        runner.executions.callback("approval")
    runner.executions.callback("approval", execution="first").succeed("yes")
    assert runner.resume("first").result == '"yes"'
    assert first.status == "SUCCEEDED"


# -- finding and stopping --------------------------------------------------------------------------------------


def test_an_execution_is_found_by_id_name_and_beginning(path):
    runner = LocalRunner(asks, path, skip_time=True)
    one = runner.run(name="first", wait=False)
    for text in (None, one.id, one.id[:6], "first", one.arn):
        assert runner.executions.find(text).id == one.id
    with pytest.raises(LookupError, match="the last ones are: first"):
        runner.executions.find("second")


def test_a_stopped_execution_does_not_go_on(path):
    runner = LocalRunner(asks, path, skip_time=True)
    one = runner.run(wait=False)
    runner.executions.stop(one.id)
    assert runner.resume(one.id).status == "STOPPED"
    with pytest.raises(ValidationError, match="has already ended: STOPPED"):
        runner.executions.stop(one.id)


def test_stopping_ends_a_handler_that_runs_at_its_next_checkpoint(path):
    after = []

    @durable
    def handler(event, ctx):
        ctx.step(lambda: LocalExecutions(SqliteStore(path)).stop("mine"), returns=type(None))
        ctx.step(lambda: after.append(1))

    one = run(handler, path, name="mine")
    assert (one.status, after) == ("STOPPED", [])


# -- crashes ---------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_execution_where_it_was(path):
    finished, pressed = [], []

    def body():
        if not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    @durable
    def handler(event, ctx):
        ctx.step(lambda: finished.append(1), name="before")
        ctx.step(body, name="pressed", retry=ONCE)

    runner = LocalRunner(handler, path)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    one = runner.executions.find()
    assert (one.status, one.is_invoked, one.is_running) == ("RUNNING", False, False)
    assert runner.resume().status == "SUCCEEDED"
    assert finished == [1]


@pytest.mark.parametrize("times", [1, 7])
def test_no_number_of_interruptions_fails_an_execution(path, times):
    pressed = []

    def body():
        pressed.append(1)
        if len(pressed) <= times:
            raise KeyboardInterrupt
        return len(pressed)

    @durable
    def handler(event, ctx):
        return ctx.step(body, retry=ONCE)

    runner = LocalRunner(handler, path)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    for _ in range(times - 1):
        with pytest.raises(KeyboardInterrupt):
            runner.resume()
    assert runner.resume().result == times + 1


def test_an_interrupted_at_most_once_step_does_not_run_again(path):
    runs = []

    def body():
        runs.append(1)
        raise KeyboardInterrupt

    @durable
    def handler(event, ctx):
        ctx.step(body, semantics=StepSemantics.AT_MOST_ONCE, retry=ONCE)

    runner = LocalRunner(handler, path)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    one = runner.resume()
    assert (one.status, runs) == ("FAILED", [1])


def test_time_never_goes_back_after_skipped_waits(path):
    interrupted = []

    def once():
        if not interrupted:
            interrupted.append(1)
            raise KeyboardInterrupt

    @durable
    def handler(event, ctx):
        ctx.wait(timedelta(days=30))
        ctx.step(once, name="once")
        ctx.wait(1, name="second")
        return "done"

    with pytest.raises(KeyboardInterrupt):
        LocalRunner(handler, path, skip_time=True).run()
    one = LocalRunner(handler, path, skip_time=True).resume()
    assert one.result == "done"
    moments = [event["EventTimestamp"] for event in one.history()]
    assert moments == sorted(moments)


def test_the_history_is_what_the_simulator_tells(path):
    """The twin is one: another store and another clock change nothing but times."""
    from powertools_durable.testing import Simulator

    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(5)
        return ctx.run_in_child_context(lambda child: child.step(lambda: 2, name="two"), name="child")

    def shape(history):
        return [(event["EventType"], event.get("Id"), event.get("ParentId"), event.get("Name")) for event in history]

    mine = run(handler, path, name="same").history()
    theirs = Simulator(handler).start(name="same").finish().history()
    assert shape(mine)[1:-1] == shape(theirs)[1:-1]
    assert json.dumps(mine)


# -- other functions -------------------------------------------------------------------------------------------


@durable
def pays(event: dict, ctx):
    ctx.wait(30)
    if event.get("interrupt") and not interrupted:
        interrupted.append(1)
        raise KeyboardInterrupt
    return ctx.step(lambda: event["amount"] + 1, name="add")


interrupted: list[int] = []


@durable
def buys(event: dict, ctx):
    return ctx.invoke("payments:1", event, name="pay")


def test_a_chained_invoke_runs_the_other_handler(path):
    runner = LocalRunner(buys, path, functions={"payments": pays}, skip_time=True)
    assert runner.run({"amount": 4}).result == 5


def test_an_invoked_execution_survives_a_crash_with_its_caller(path):
    interrupted.clear()
    runner = LocalRunner(buys, path, functions={"payments": pays}, skip_time=True)
    with pytest.raises(KeyboardInterrupt):
        runner.run({"amount": 4, "interrupt": True}, name="caller")
    again = LocalRunner(buys, path, functions={"payments": pays}, skip_time=True)
    one = again.resume()
    assert (one.name, one.result, one.invocations) == ("caller", 5, 2)
    assert sorted(other.is_a_child for other in again.executions) == [False, True]
