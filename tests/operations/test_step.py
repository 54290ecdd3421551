"""Protocol 11.1, row by row."""

from __future__ import annotations

import pytest

from powertools_durable._operations.step import step
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._replay.effects import Attempt, Checkpoint, Raised, Returned, Suspend
from powertools_durable.errors import (
    InvalidStateError,
    PayloadTooLargeError,
    RetryableSerDesError,
    SerDesError,
    StepError,
    StepInterruptedError,
    StepTimeoutError,
    ValidationError,
)
from powertools_durable.retry import Retry
from powertools_durable.serdes import TaggedJson
from tests.kit import NOON, S, handle, play, step_record

ONCE = Retry.none()
TWICE = Retry(max_attempts=2, initial_delay=4, jitter="none")
BROKEN = ErrorObject(error_type="ValueError", error_message="no")


def body():
    raise AssertionError("a pure test runs no body")


def flow(op, retry=ONCE, serdes=None, **options):
    return step(op, body, retry, serdes or TaggedJson(), **options)


@pytest.mark.parametrize(
    ("found", "at_least_once", "at_most_once"),
    [
        (None, ("START", False), ("START", True)),
        (step_record(S.READY, attempt=1), ("START", False), ("START", True)),
        (step_record(S.STARTED), Attempt(body, 1), ("FAIL", True)),
        (step_record(S.STARTED, attempt=1), Attempt(body, 2), ("FAIL", True)),
        (step_record(S.PENDING, attempt=1, due=NOON), Suspend(NOON), Suspend(NOON)),
    ],
    ids=["fresh", "ready", "interrupted", "interrupted in attempt 2", "retry scheduled"],
)
@pytest.mark.parametrize("semantics", ["at_least_once", "at_most_once"])
def test_a_step_first_asks_for(found, at_least_once, at_most_once, semantics):
    expected = at_least_once if semantics == "at_least_once" else at_most_once
    asked = next(flow(handle(found), at_most_once=semantics == "at_most_once"))
    if isinstance(asked, Checkpoint):
        asked = (asked.update.action.value, asked.wait)
    assert asked == expected


def test_a_finished_step_returns_its_result_and_asks_for_nothing():
    played = play(op := handle(step_record(S.SUCCEEDED, attempt=1, result='{"t":"t","v":[]}')), flow(op))
    assert (played.returned, played.effects) == ((), [])


def test_a_finished_step_without_a_result_returns_none():
    played = play(op := handle(step_record(S.SUCCEEDED, attempt=1)), flow(op))
    assert (played.returned, played.raised) == (None, None)


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.TIMED_OUT, S.STOPPED])
def test_every_other_end_is_a_step_error_with_the_recorded_words(status):
    played = play(op := handle(step_record(status, attempt=1, error=BROKEN)), flow(op))
    assert type(played.raised) is StepError
    assert (str(played.raised), played.raised.error_type, played.raised.operation) == ("no", "ValueError", "op")
    assert played.effects == []


def test_an_end_without_words_still_says_what_happened():
    played = play(op := handle(step_record(S.STOPPED)), flow(op))
    assert "step 'op' (#1) is STOPPED" in str(played.raised)


def test_an_unknown_status_is_a_typed_error():
    played = play(op := handle(step_record(S("HIBERNATING"))), flow(op))
    assert type(played.raised) is InvalidStateError
    assert "HIBERNATING" in str(played.raised)


def test_a_quick_step_starts_runs_and_succeeds():
    played = play(op := handle(None), flow(op), [Returned({"a": 1})])
    assert played.updates == ["START", "SUCCEED"]
    assert played.returned == {"a": 1}
    assert op.record.attempts == 1


def test_what_is_returned_is_what_was_read_back():
    played = play(op := handle(None), flow(op), [Returned(bytearray(b"x"))])
    assert played.returned == b"x"
    assert type(played.returned) is bytes


def test_an_interrupted_step_is_run_again_without_a_second_start():
    played = play(op := handle(step_record(S.STARTED)), flow(op), [Returned(1)])
    assert played.updates == ["SUCCEED"]


def test_a_failure_with_attempts_left_is_recorded_and_scheduled():
    played = play(op := handle(None), flow(op, TWICE), [Raised(ValueError("no"))])
    retry = played.effects[-2].update
    assert played.updates == ["START", "RETRY"]
    assert retry.step_options.next_attempt_delay_seconds == 4
    assert retry.error == BROKEN
    assert played.suspended == Suspend(op.next_attempt)


def test_the_second_attempt_starts_again_and_has_number_two():
    played = play(op := handle(step_record(S.READY, attempt=1)), flow(op, TWICE), [Returned(5)])
    assert played.updates == ["START", "SUCCEED"]
    assert played.effects[1].number == 2
    assert played.returned == 5


def test_the_last_attempt_fails_the_step_with_the_raw_error():
    played = play(op := handle(step_record(S.READY, attempt=1)), flow(op, TWICE), [Raised(ValueError("no"))])
    assert played.updates == ["START", "FAIL"]
    assert played.effects[-1].update.error == BROKEN
    assert type(played.raised) is StepError
    assert played.raised.error_type == "ValueError"


def test_the_first_run_and_the_replay_raise_the_same():
    live = play(op := handle(None), flow(op), [Raised(KeyError("k"))]).raised
    replayed = play(op, flow(op)).raised
    assert (type(live), str(live), live.error_type) == (type(replayed), str(replayed), replayed.error_type)


def test_an_interrupted_at_most_once_step_is_not_run_again():
    played = play(op := handle(step_record(S.STARTED)), flow(op, at_most_once=True))
    assert played.updates == ["FAIL"]
    assert type(played.raised) is StepInterruptedError
    assert not any(isinstance(effect, Attempt) for effect in played.effects)


def test_an_interruption_counts_as_an_attempt_and_is_retried_by_the_policy():
    played = play(op := handle(step_record(S.STARTED)), flow(op, TWICE, at_most_once=True))
    assert played.updates == ["RETRY"]
    assert played.effects[0].update.error.error_type == "StepInterruptedError"
    assert op.attempts == 1


def test_an_at_most_once_step_runs_only_after_its_start_is_acknowledged():
    op = handle(None)
    running = flow(op, at_most_once=True)
    start = next(running)
    assert start.wait
    with pytest.raises(InvalidStateError, match="was not run"):
        running.send(None)  # the driver went on, but nothing says that the record exists


def test_a_timeout_is_a_failed_attempt_that_keeps_its_class():
    late = StepTimeoutError("late")
    played = play(op := handle(None), flow(op, TWICE), [Raised(late)])
    assert played.updates == ["START", "RETRY"]
    played = play(op := handle(None), flow(op), [Raised(late)])
    assert type(played.raised) is StepTimeoutError


def test_the_timeout_reaches_the_driver():
    op = handle(step_record(S.STARTED))
    assert next(flow(op, timeout=3.5)).timeout == 3.5


class Unwritable:
    """Nothing knows how to write this."""


@pytest.mark.parametrize("value", [Unwritable(), (n for n in ()), object], ids=["object", "generator", "class"])
def test_a_value_that_cannot_be_written_fails_the_step_without_a_retry(value):
    played = play(op := handle(None), flow(op, TWICE), [Returned(value)])
    assert played.updates == ["START", "FAIL"]
    assert type(played.raised) is SerDesError
    assert type(play(op, flow(op)).raised) is SerDesError  # the replay says the same


def test_a_value_larger_than_the_service_takes_fails_the_step_without_a_retry():
    played = play(op := handle(None, max_payload_bytes=64), flow(op, TWICE), [Returned("é" * 40)])
    assert played.updates == ["START", "FAIL"]
    assert type(played.raised) is PayloadTooLargeError
    assert "64" in str(played.raised)


class Away:
    """A serdes whose storage is not there."""

    def serialize(self, value, context):
        raise RetryableSerDesError("storage is away")

    def deserialize(self, text, context):
        raise NotImplementedError


def test_a_serdes_may_ask_for_another_invocation_and_nothing_is_recorded():
    played = play(op := handle(None), flow(op, TWICE, Away()), [Returned(1)])
    assert played.updates == ["START"]
    assert type(played.raised) is RetryableSerDesError


def test_a_result_that_cannot_be_read_is_a_typed_error_and_the_body_stays_alone():
    played = play(op := handle(step_record(S.SUCCEEDED, result="{not json")), flow(op, TWICE))
    assert type(played.raised) is SerDesError
    assert played.effects == []


@pytest.mark.parametrize("answer", [float("nan"), -1, "soon", True], ids=str)
def test_a_retry_policy_that_answers_nonsense_is_a_usage_error(answer):
    played = play(op := handle(None), flow(op, lambda error, attempt: answer), [Raised(ValueError())])
    assert type(played.raised) is ValidationError
    assert played.updates == ["START"]


@pytest.mark.parametrize(("answer", "seconds"), [(0, 1), (0.2, 1), (1.2, 2), (40_000_000, 31_622_400)])
def test_a_computed_delay_is_whole_at_least_one_second_and_within_the_service_s_limit(answer, seconds):
    played = play(op := handle(None), flow(op, lambda error, attempt: answer), [Raised(ValueError())])
    assert played.effects[-2].update.step_options.next_attempt_delay_seconds == seconds


def test_only_the_updates_of_an_at_least_once_step_may_be_deferred():
    played = play(op := handle(None), flow(op), [Returned(1)])
    assert [effect.deferrable for effect in played.effects if isinstance(effect, Checkpoint)] == [True, True]
    played = play(op := handle(None), flow(op, at_most_once=True), [Returned(1)])
    assert [effect.deferrable for effect in played.effects if isinstance(effect, Checkpoint)] == [False, False]
