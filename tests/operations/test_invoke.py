"""Protocol 11.6, row by row."""

from __future__ import annotations

import pytest

from powertools_durable._operations.invoke import invoke
from powertools_durable._protocol.limits import MAX_INVOKE_PAYLOAD_BYTES
from powertools_durable._protocol.operation import ChainedInvokeDetails, ErrorObject, Operation, OperationType, SubType
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import InvokeError, PayloadTooLargeError, SerDesError
from powertools_durable.serdes import PlainJson
from tests.kit import FIRST, S, engine, play

OPTIONS = ChainedInvokeOptions(function_name="payments:1", tenant_id="t")


def record(status, **details):
    return Operation(
        id=FIRST,
        type=OperationType.CHAINED_INVOKE,
        status=status,
        name="op",
        sub_type=SubType.CHAINED_INVOKE,
        chained_invoke_details=ChainedInvokeDetails(**details),
    )


def handle(found):
    return Frame(engine(found)).begin(OperationType.CHAINED_INVOKE, SubType.CHAINED_INVOKE, "op")


def played(found):
    op = handle(found)
    return play(op, invoke(op, lambda: OPTIONS, '{"a": 1}', PlainJson()))


def test_a_fresh_invoke_is_started_with_its_event_and_suspends():
    result = played(None)
    start, suspend = result.effects
    assert (start.update.payload, start.update.chained_invoke_options, start.wait) == ('{"a": 1}', OPTIONS, True)
    assert suspend is result.suspended
    assert suspend.until is None


def test_a_running_invoke_suspends_without_a_second_start():
    result = played(record(S.STARTED))
    assert (result.updates, result.suspended is not None) == ([], True)


@pytest.mark.parametrize(("text", "value"), [('{"ok": true}', {"ok": True}), ("null", None), (None, None)])
def test_an_answer_is_returned(text, value):
    result = played(record(S.SUCCEEDED, result=text))
    assert (result.effects, result.returned) == ([], value)


@pytest.mark.parametrize("status", [S.FAILED, S.TIMED_OUT, S.STOPPED, S.CANCELLED])
def test_every_other_end_is_an_invoke_error_with_the_target_s_words(status):
    error = ErrorObject(error_type="DeclinedError", error_message="no")
    raised = played(record(status, error=error)).raised
    assert (type(raised), raised.error_type, raised.message) == (InvokeError, "DeclinedError", "no")


def test_an_end_without_words_says_what_it_was():
    assert played(record(S.STOPPED)).raised.error_type == "STOPPED"


def test_an_answer_that_is_no_json_is_a_serdes_error():
    assert isinstance(played(record(S.SUCCEEDED, result="{")).raised, SerDesError)


def test_an_event_beyond_the_limit_is_refused_before_anything_is_sent():
    op = handle(None)
    assert op.encode_event("x" * (MAX_INVOKE_PAYLOAD_BYTES - 2), PlainJson()) is not None
    with pytest.raises(PayloadTooLargeError, match="more than the 1,048,576 bytes that an invoke takes"):
        op.encode_event("x" * MAX_INVOKE_PAYLOAD_BYTES, PlainJson())
