"""From exception to record and back: docs/contributing/protocol.md#recorded-errors."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from powertools_durable import errors
from powertools_durable._protocol.limits import MAX_ERROR_CHARACTERS
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors import (
    BatchError,
    CallbackError,
    CallbackTimeoutError,
    ChildContextError,
    DurableError,
    OperationError,
    PayloadTooLargeError,
    SerDesError,
    StepError,
    StepTimeoutError,
    rebuilding,
)
from powertools_durable.errors.rebuilding import rebuild
from powertools_durable.errors.recording import answer_error, error_size, to_error_object


def record_of(message=None, error_type=None, data=None):
    return ErrorObject(error_message=message, error_type=error_type, error_data=data)


class DeclinedError(Exception):
    def __init__(self, message, data=None):
        super().__init__(message)
        self.data = data


class Reason(BaseModel):
    code: int


@dataclass
class Plain:
    code: int


class BrokenError(Exception):
    def __str__(self):
        raise ValueError


# -- writing ---------------------------------------------------------------------------------------------------

WRITTEN = [
    (ValueError("no"), ErrorObject(error_message="no", error_type="ValueError")),
    (StepError("no"), ErrorObject(error_message="no", error_type="StepError")),
    (DeclinedError("no"), ErrorObject(error_message="no", error_type=f"{__name__}.DeclinedError")),
    (DeclinedError("no", Reason(code=7)), record_of("no", f"{__name__}.DeclinedError", '{"code":7}')),
    (DeclinedError("no", Plain(7)), record_of("no", f"{__name__}.DeclinedError", '{"code": 7}')),
    (DeclinedError("no", {"code": 7}), record_of("no", f"{__name__}.DeclinedError", '{"code": 7}')),
    (DeclinedError("no", "text"), record_of("no", f"{__name__}.DeclinedError", "text")),
    (DeclinedError("no", object()), record_of("no", f"{__name__}.DeclinedError")),
    (BrokenError(), record_of("<BrokenError whose __str__ raises>", f"{__name__}.BrokenError")),
    (ValueError("a\ud800b"), record_of("a?b", "ValueError")),
]


@pytest.mark.parametrize(("error", "record"), WRITTEN, ids=lambda part: type(part).__name__)
def test_an_exception_is_written_like_this(error, record):
    assert to_error_object(error) == record


def test_a_stack_trace_is_the_user_s_innermost_line_and_the_others_only_if_wanted():
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    (place,) = to_error_object(caught.value).stack_trace
    assert place.startswith("test_errors.py:")
    stack = to_error_object(caught.value, stack_traces=True).stack_trace
    assert stack[0] == place
    assert len(stack) > 1
    assert stack[-1].partition("/")[2].startswith("json/decoder.py:")  # below Python's own folder
    assert not any(line.startswith("/") for line in stack)


def test_a_stack_trace_keeps_its_innermost_lines():
    def deeper(depth):
        if depth == 0:
            raise DeclinedError("deep")
        deeper(depth - 1)

    with pytest.raises(DeclinedError) as caught:
        deeper(500)
    record = to_error_object(caught.value, stack_traces=True)
    assert len(record.stack_trace) < 500
    assert record.stack_trace[-1].endswith("in deeper")


@given(st.text(max_size=20_000), st.text(max_size=40_000))
def test_an_error_never_outgrows_what_the_service_takes(message, data):
    record = to_error_object(DeclinedError(message, data))
    assert error_size(record) <= MAX_ERROR_CHARACTERS


# -- reading ---------------------------------------------------------------------------------------------------

READ = [
    (record_of("no", "ValueError"), ChildContextError, ChildContextError, None),
    (record_of("no", "StepTimeoutError"), StepError, StepTimeoutError, None),
    (record_of("no", "StepTimeoutError"), ChildContextError, ChildContextError, StepTimeoutError),
    (record_of("no", "CallbackTimeoutError"), ChildContextError, ChildContextError, CallbackTimeoutError),
    (record_of("no", "SerDesError"), StepError, SerDesError, None),
    (record_of("no", "PayloadTooLargeError"), ChildContextError, PayloadTooLargeError, None),
    (record_of("no", f"{rebuilding._OFFICIAL}exceptions.StepError"), StepError, StepError, None),  # noqa: SLF001
    (record_of("no", f"{rebuilding._OFFICIAL}exceptions.BatchCompletionError"), OperationError, BatchError, None),  # noqa: SLF001
    (record_of("no", "BackendError"), StepError, StepError, None),
    (record_of("no", "StepError(KeyError)"), ChildContextError, ChildContextError, StepError),
    (record_of("no", "StepTimeoutError(a.<locals>.B)"), StepError, StepTimeoutError, None),
    (record_of("no", "shop.Error(KeyError)"), StepError, StepError, None),
    (ErrorObject(), StepError, StepError, None),
    (None, CallbackError, CallbackError, None),
]


@pytest.mark.parametrize(("record", "asked", "cls", "cause"), READ)
def test_a_record_is_rebuilt_as_the_most_precise_class_of_ours(record, asked, cls, cause):
    error = rebuild(record, asked, operation="charge")
    assert type(error) is cls
    assert type(error.__cause__) is (cause or type(None))
    assert str(error) == ((record and record.error_message) or "")


@pytest.mark.parametrize(
    ("recorded", "tells"),
    [
        ("StepError(shop.OutOfStock)", "shop.OutOfStock"),
        ("CallbackExternalError(a(b))", "a(b)"),
        ("StepError", "StepError"),  # as older versions and other SDKs write it
        ("shop.Error(KeyError)", "shop.Error(KeyError)"),
        ("StepError()", "StepError()"),
        (None, "ChildContextError"),
    ],
)
def test_the_class_that_was_raised_at_first_is_read_out_of_a_context_s_record(recorded, tells):
    assert rebuild(record_of("no", recorded), ChildContextError).error_type == tells


@given(st.sampled_from([StepError, CallbackError, ChildContextError]), st.text(min_size=1, max_size=900))
def test_it_is_told_through_any_number_of_contexts(cls, raised):
    error = cls("no", error_type=raised)
    first = rebuild(to_error_object(error), ChildContextError)
    again = rebuild(to_error_object(first), ChildContextError)
    assert first.error_type == again.error_type
    assert to_error_object(again, is_answer=True).error_type == "ChildContextError"


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (
            StepError("'sku'", error_type="KeyError").named("charge", 3),
            "step 'charge' failed after 3 attempts: KeyError: 'sku'",
        ),
        (StepError("", error_type="KeyError").named("charge", 1), "step 'charge' failed: KeyError"),
        (StepError("x", error_type="a.B").named("ab" * 32), "step abababab failed: a.B: x"),
        (CallbackTimeoutError("late").named("ask"), "callback 'ask' failed: CallbackTimeoutError: late"),
        (ChildContextError("x", error_type="E"), "child context failed: E: x"),
    ],
)
def test_an_error_says_whose_it_is(error, described):
    assert error.describe() == described
    assert str(error) == error.message
    assert getattr(error, "__notes__", [described]) == [described]


def test_a_class_that_data_names_is_never_imported():
    error = rebuild(record_of("no", "os.system"), StepError)
    assert (type(error), error.error_type) == (StepError, "os.system")


def test_what_was_written_is_what_is_rebuilt():
    record = to_error_object(DeclinedError("no", Reason(code=7)))
    error = rebuild(record, StepError, operation="charge")
    assert (error.message, error.error_type, error.operation) == ("no", f"{__name__}.DeclinedError", "charge")
    assert error.data_as(Reason) == Reason(code=7)
    assert error.data_as(dict[str, int]) == {"code": 7}


@pytest.mark.parametrize(("data", "words"), [(None, "carries no data"), ('{"code":"canary"}', "is not a")])
def test_data_of_something_else_is_refused_and_not_shown(data, words):
    with pytest.raises(SerDesError, match=words) as caught:
        StepError("no", data=data, operation="charge").data_as(Reason)
    assert "canary" not in str(caught.value)


# -- from outside, and the tree --------------------------------------------------------------------------------


def test_a_callback_is_failed_with_text_an_exception_or_a_record():
    assert answer_error("no") == ErrorObject(error_message="no")
    assert answer_error("") == ErrorObject()
    assert answer_error(ValueError("no")) == record_of("no", "ValueError")
    assert answer_error(record_of("a", "b")) == record_of("a", "b")


def test_every_error_has_a_code_of_its_own_spelling():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DurableError)]
    assert len(classes) > 20
    for cls in classes:
        assert cls.code.isupper(), cls


def test_the_suspension_is_no_exception_and_says_how_to_let_it_through():
    signal = errors.SuspendExecution()
    assert not isinstance(signal, Exception)
    assert "except SuspendExecution: raise" in str(signal)
