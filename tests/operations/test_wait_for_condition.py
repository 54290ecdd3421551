"""Protocol 11.5, row by row."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from powertools_durable import Polling, durable
from powertools_durable._operations.wait_for_condition import Limit, wait_for_condition
from powertools_durable._protocol.operation import ErrorObject, OperationType
from powertools_durable._replay.effects import Attempt, Checkpoint, Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import RetryableSerDesError, SerDesError, WaitForConditionError
from powertools_durable.serdes import TaggedJson
from powertools_durable.testing import Simulator
from tests.kit import NOON, S, engine, play, step_record


def polling(limit=3, **options):
    return Polling(lambda state: state >= limit, jitter="none", **options)


def polled(found, *outcomes, initial=0, rhythm=None, serdes=None, limit=None):
    op = Frame(engine(found)).begin(OperationType.STEP, "WaitForCondition", "op")
    seen = []

    def check(state):
        seen.append(state)
        return state

    flow = wait_for_condition(op, check, initial, rhythm or polling(), serdes or TaggedJson(), limit=limit)
    result = play(op, flow, outcomes)
    for effect in result.effects:
        if isinstance(effect, Attempt):
            effect.body()
    return result, seen


def record(status, **fields):
    made = step_record(status, **fields)
    object.__setattr__(made, "sub_type", "WaitForCondition")
    return made


def test_a_first_check_starts_from_the_initial_state_and_its_retry_carries_the_new_one():
    result, seen = polled(None, Returned(1))
    assert (result.updates, seen) == (["START", "RETRY"], [0])
    start, _, retry = result.effects[:3]
    assert (start.wait, retry.update.payload, retry.update.error) == (False, "1", None)
    assert retry.update.step_options.next_attempt_delay_seconds == 5
    assert result.suspended is not None


def test_a_condition_that_is_met_ends_it_at_once():
    result, _ = polled(None, Returned(3))
    assert (result.updates, result.returned) == (["START", "SUCCEED"], 3)


def test_a_ready_check_goes_on_from_the_recorded_state():
    result, seen = polled(record(S.READY, attempt=1, result="2"), Returned(3))
    assert (seen, result.updates, result.returned) == ([2], ["START", "SUCCEED"], 3)


def test_an_interrupted_check_runs_again_without_a_start():
    result, seen = polled(record(S.STARTED, attempt=1, result="1"), Returned(3))
    assert (seen, result.updates) == ([1], ["SUCCEED"])


def test_an_interrupted_check_whose_state_is_gone_begins_anew():
    _, seen = polled(record(S.STARTED, attempt=1), Returned(3))
    assert seen == [0]


def test_a_scheduled_check_suspends_until_its_time():
    result, _ = polled(record(S.PENDING, attempt=1, due=NOON))
    assert (result.updates, result.suspended.until) == ([], NOON)


def test_what_was_found_is_returned_and_not_checked_again():
    result, seen = polled(record(S.SUCCEEDED, attempt=3, result="7"))
    assert (result.effects, seen, result.returned) == ([], [], 7)


def test_a_failure_is_raised_again():
    error = ErrorObject(error_type="ValueError", error_message="no")
    result, _ = polled(record(S.FAILED, attempt=1, error=error))
    assert (type(result.raised), result.raised.error_type) == (WaitForConditionError, "ValueError")


def test_a_check_that_raises_fails_it_for_good():
    result, _ = polled(None, Raised(ValueError("no")))
    assert result.updates == ["START", "FAIL"]
    assert (type(result.raised), result.raised.message) == (WaitForConditionError, "no")


def test_a_condition_that_raises_fails_it_for_good():
    result, _ = polled(None, Returned(1), rhythm=Polling(lambda state: state["no such key"]))
    assert result.updates == ["START", "FAIL"]
    assert isinstance(result.raised, WaitForConditionError)


def test_the_last_check_fails_it_unless_it_meets_the_condition():
    last = polling(max_attempts=2)
    result, _ = polled(record(S.READY, attempt=1, result="1"), Returned(2), rhythm=last)
    assert result.updates == ["START", "FAIL"]
    assert "was not met in 2 checks" in str(result.raised)
    result, _ = polled(record(S.READY, attempt=1, result="1"), Returned(3), rhythm=last)
    assert result.returned == 3


def test_none_is_a_state_like_others():
    result, _ = polled(None, Returned(None), rhythm=Polling(lambda state: state is None))
    assert (result.updates, result.returned) == (["START", "SUCCEED"], None)


def test_a_state_that_cannot_be_recorded_fails_it():
    result, _ = polled(None, Returned(object()), rhythm=Polling(bool))
    assert result.updates == ["START", "FAIL"]
    assert isinstance(result.raised, SerDesError)


class Away:
    def serialize(self, value, context):
        if value == 1:
            raise RetryableSerDesError("later")
        return str(value)

    def deserialize(self, text, context):
        return int(text)


def test_a_serdes_that_asks_for_another_invocation_records_nothing():
    result, _ = polled(None, Returned(1), serdes=Away())
    assert [type(effect) for effect in result.effects] == [Checkpoint, Attempt]
    assert isinstance(result.raised, RetryableSerDesError)


# -- the timeout of the whole wait ----------------------------------------------------------------------------


def after(seconds):
    return lambda: NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(("passed", "delay"), [(0, 5), (55, 5), (56, 4), (58.5, 2), (59.5, 1)])
def test_a_timeout_ends_the_last_delay(passed, delay):
    found = record(S.READY, attempt=1, result="1", start_timestamp=NOON)
    result, _ = polled(found, Returned(1), rhythm=Polling.every(5, lambda _: False), limit=Limit(60, after(passed)))
    assert result.updates == ["START", "RETRY"]
    (retry,) = [e.update for e in result.effects if isinstance(e, Checkpoint) and e.update.action == "RETRY"]
    assert retry.step_options.next_attempt_delay_seconds == delay


@pytest.mark.parametrize("passed", [60, 61, 3600])
def test_after_it_a_check_that_is_not_met_is_the_last(passed):
    found = record(S.READY, attempt=2, result="1", start_timestamp=NOON)
    result, _ = polled(found, Returned(1), limit=Limit(60, after(passed)))
    assert result.updates == ["START", "FAIL"]
    assert type(result.raised) is WaitForConditionError
    assert "was not met within 60 seconds, in 3 checks" in str(result.raised)


def test_after_it_a_check_that_is_met_succeeds():
    found = record(S.READY, attempt=2, result="1", start_timestamp=NOON)
    result, _ = polled(found, Returned(3), limit=Limit(60, after(61)))
    assert result.returned == 3


# -- a function in place of a Polling --------------------------------------------------------------------------------


def test_a_polling_function_gets_state_and_number_and_returns_the_delay():
    asked = []

    @durable
    def handler(event, ctx):
        def polling(state, number):
            asked.append((state, number))
            return None if state == 3 else timedelta(seconds=0.5 * number)

        return ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling, name="poll")

    run = Simulator(handler).start().finish()
    assert (run.result, asked) == (3, [(1, 1), (2, 2), (3, 3)])
    delays = [event["StepSucceededDetails"] for event in run.history() if event["EventType"] == "StepSucceeded"]
    assert len(delays) == 3
    assert [detail["RetryDetails"].get("NextAttemptDelaySeconds") for detail in delays][:2] == [1, 1]


def test_a_polling_function_that_raises_fails_the_operation():
    def give_up(state, number):
        raise LookupError("no such export")

    @durable
    def handler(event, ctx):
        ctx.wait_for_condition(lambda state: state, initial=0, polling=give_up)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_message) == ("FAILED", "no such export")


@pytest.mark.parametrize(
    ("polling", "words"),
    [
        (lambda state, number: "soon", "must return a delay, or None when the condition is met"),
        (lambda state: None, r"takes \(state\); ctx.wait_for_condition\(polling=lambda\) passes 2"),
        (Polling, "not the class Polling"),
        (5, "not an int"),
    ],
)
def test_what_is_no_polling_is_refused(polling, words):
    @durable
    def handler(event, ctx):
        ctx.wait_for_condition(lambda state: state, initial=0, polling=polling)

    run = Simulator(handler).start().finish()
    assert run.error.error_type == "ValidationError"
    assert re.search(words, run.error.error_message)
