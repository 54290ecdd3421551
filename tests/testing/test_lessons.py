"""What the simulator says to somebody who used it wrongly."""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator


@durable
def handler(event, ctx):
    ctx.step(lambda: 1, name="charge")
    ctx.step(lambda: 2, name="twice")
    ctx.step(lambda: 3, name="twice")
    return [ctx.create_callback(name="approval").result(), ctx.create_callback(name="signature").result()]


@pytest.fixture
def run():
    return Simulator(handler).start()


def test_an_unknown_operation_says_which_there_are(run):
    with pytest.raises(LookupError) as caught:
        run.operation("chrage")
    assert str(caught.value) == ("no operations are named 'chrage'; there are: 'charge', 'twice', 'twice', 'approval'")


def test_a_name_that_several_have_says_so(run):
    with pytest.raises(LookupError, match="2 operations are named 'twice'"):
        run.operation("twice")


def test_an_unknown_callback_says_which_are_open(run):
    with pytest.raises(LookupError, match="no callback named 'aproval' waits for an answer; open: 'approval'"):
        run.callback("aproval")


def test_a_callback_that_is_not_there_yet_or_no_longer_says_which_are_open(run):
    with pytest.raises(LookupError, match="open: 'approval'"):
        run.callback("signature")
    run.callback("approval").succeed()
    with pytest.raises(LookupError, match="open: 'signature'"):
        run.callback("approval")
    run.callback("signature").succeed()
    with pytest.raises(LookupError, match="waits for an answer: the execution is SUCCEEDED"):
        run.callback("signature")


@pytest.mark.parametrize("again", [lambda c: c.succeed(2), lambda c: c.fail("no"), lambda c: c.heartbeat()])
def test_a_second_answer_names_the_callback_and_changes_nothing(run, again):
    callback = run.callback("approval")
    callback.succeed(1)
    with pytest.raises(ValidationError, match="callback 'approval' takes no answer: The callback has been completed"):
        again(callback)
    run.callback("signature").succeed()
    assert run.result == ["1", None]


@pytest.mark.parametrize("value", [object(), {"at": [object()]}, {1j}])
def test_an_answer_without_json_says_so_and_leaves_the_callback_open(run, value):
    with pytest.raises(ValidationError, match="the answer has no JSON: Object of type"):
        run.callback("approval").succeed(value)
    assert run.callback("approval").succeed(1).status == "RUNNING"


def test_neither_callback_nor_error_shows_the_id(run):
    callback = run.callback("approval")
    callback.succeed()
    with pytest.raises(ValidationError) as caught:
        callback.succeed()
    assert callback.callback_id not in repr(callback) + str(caught.value)
    assert repr(callback) == "<SimulatedCallback 'approval'>"


def test_finish_without_an_end_in_sight_says_what_it_waits_for_and_can_go_on(monkeypatch):
    @durable
    def polls(event, ctx):
        while len(ctx.state.operations) < 40:
            ctx.wait(3600, name="poll")

    monkeypatch.setattr("powertools_durable.testing.simulation.simulated_run._MAX_INVOCATIONS", 20)
    run = Simulator(polls).start()
    with pytest.raises(ValidationError, match=r"it did not end: <SimulatedRun RUNNING.* waits for wait 'poll #21'>"):
        run.finish()
    assert len(run.invocations) == 21
    assert run.finish().status == "SUCCEEDED"


def test_finish_says_what_is_left_to_wait_for_by_returning(run):
    assert run.finish().status == "RUNNING"
    assert repr(run).endswith("waits for callback 'approval'>")


@pytest.mark.parametrize("wrong", [lambda event, ctx: 1, "handler", None, object(), durable])
def test_only_what_durable_made_can_be_run(wrong):
    with pytest.raises(ValidationError, match="takes a function decorated with @durable, not "):
        Simulator(wrong)


@pytest.mark.parametrize("timeout", [0, -1, "900", None, float("nan"), True])
def test_an_invocation_lasts_some_time(timeout):
    with pytest.raises(ValidationError, match="invocation_timeout"):
        Simulator(handler, invocation_timeout=timeout)


@pytest.mark.parametrize("name", ["order 42", "x" * 65, "ünïcode", "a/b"])
def test_an_execution_s_name_is_one_that_the_service_takes(name):
    with pytest.raises(ValidationError, match="can't name an execution: 1 to 64 letters"):
        Simulator(handler).start(name=name)


def test_an_input_without_json_says_so():
    with pytest.raises(ValidationError, match="the event has no JSON: Object of type object"):
        Simulator(handler).start({"x": object()})


@pytest.mark.parametrize("span", [-1, timedelta(seconds=-1), "1h", None, True])
def test_time_passes_in_spans_and_never_backwards(run, span):
    began = run.now
    with pytest.raises(ValidationError, match=r"advance\(\): a time span is"):
        run.advance(span)
    assert run.now == began
