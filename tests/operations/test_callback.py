"""Protocol 11.3, row by row."""

from __future__ import annotations

import pytest

from powertools_durable._operations.callback import callback_result, create_callback
from powertools_durable._protocol.operation import ErrorObject, OperationType
from powertools_durable._replay.effects import Suspend
from powertools_durable.errors import (
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    InvalidStateError,
    SerDesError,
)
from powertools_durable.serdes import PassThrough, PlainJson
from tests.kit import S, callback_record, handle, play


def created(found, timeout=0, heartbeat=0):
    op = handle(found, OperationType.CALLBACK)
    return op, create_callback(op, timeout, heartbeat, str)


def asked(found, serdes=None):
    op = handle(found, OperationType.CALLBACK)
    return play(op, callback_result(op, serdes or PassThrough()))


def test_a_fresh_callback_starts_with_both_timeouts_and_reads_the_id_the_service_made():
    op, flow = created(None, 60, 5)
    start = next(flow)
    assert start.wait
    assert start.update.callback_options.timeout_seconds == 60
    assert start.update.callback_options.heartbeat_timeout_seconds == 5
    op.engine.state.operations[op.id] = callback_record(S.STARTED, "made-by-the-service")
    with pytest.raises(StopIteration) as done:
        flow.send(None)
    assert done.value.value == "made-by-the-service"


@pytest.mark.parametrize("status", [S.STARTED, S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.STOPPED, S.CANCELLED])
def test_creating_never_raises_whatever_became_of_the_callback(status):
    op, flow = created(callback_record(status))
    played = play(op, flow)
    assert (played.effects, played.returned) == ([], "cb-1")


def test_a_record_without_an_id_is_an_error():
    op, flow = created(callback_record(S.STARTED, None))
    assert type(play(op, flow).raised) is CallbackError


def test_an_unanswered_callback_suspends_until_something_happens():
    assert asked(callback_record(S.STARTED)).effects == [Suspend(None)]


@pytest.mark.parametrize(
    ("result", "serdes", "value"),
    [
        ('{"a": 1}', PassThrough(), '{"a": 1}'),
        ('{"a": 1}', PlainJson(), {"a": 1}),
        (None, PlainJson(), None),
        ("", PassThrough(), ""),
    ],
)
def test_an_answer_is_read_as_asked(result, serdes, value):
    assert asked(callback_record(S.SUCCEEDED, result=result), serdes).returned == value


def test_an_answer_that_cannot_be_read_is_a_serdes_error_that_does_not_show_it():
    played = asked(callback_record(S.SUCCEEDED, result="canary-7f3"), PlainJson())
    assert type(played.raised) is SerDesError
    assert "canary-7f3" not in str(played.raised)


@pytest.mark.parametrize(
    ("status", "error", "cls", "message"),
    [
        (S.TIMED_OUT, ErrorObject(error_type="Callback.Heartbeat", error_message="late"), CallbackTimeoutError, "late"),
        (S.TIMED_OUT, None, CallbackTimeoutError, "Callback timed out"),
        (S.FAILED, ErrorObject(error_message="not approved"), CallbackExternalError, "not approved"),
        (S.FAILED, ErrorObject(), CallbackExternalError, "Callback failed"),
        (S.CANCELLED, None, CallbackExternalError, "Callback failed"),
        (S.STOPPED, None, CallbackExternalError, "Callback failed"),
    ],
)
def test_a_failure_is_raised_when_asked_for_in_the_senders_words(status, error, cls, message):
    played = asked(callback_record(status, error=error))
    assert (type(played.raised), str(played.raised)) == (cls, message)


def test_the_senders_data_and_type_are_kept():
    error = ErrorObject(error_message="no", error_type="Denied", error_data='{"by":"bob"}')
    raised = asked(callback_record(S.FAILED, error=error)).raised
    assert (raised.error_type, raised.data, raised.operation) == ("Denied", '{"by":"bob"}', "op")


@pytest.mark.parametrize("status", [S.PENDING, S.READY, S("HIBERNATING")])
def test_a_state_no_callback_has_is_a_typed_error(status):
    assert type(asked(callback_record(status)).raised) is InvalidStateError
