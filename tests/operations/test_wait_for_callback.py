"""Protocol 11.4: the names inside, and how its failures are told."""

from __future__ import annotations

import pytest

from powertools_durable._operations.wait_for_callback import callback_name, inner_name, submitter_name, surfacing
from powertools_durable.errors import (
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    SerDesError,
    StepError,
)


@pytest.mark.parametrize(
    ("name", "callback", "submitter"),
    [
        ("ask", "ask create callback id", "ask submitter"),
        (None, "create callback id", "submitter"),
        ("", "create callback id", "submitter"),
        ("x" * 256, "x" * 237 + " create callback id", "x" * 246 + " submitter"),
    ],
)
def test_its_parts_are_named_after_it_and_never_longer_than_a_name_may_be(name, callback, submitter):
    assert (callback_name(name), submitter_name(name)) == (callback, submitter)
    assert max(len(callback), len(submitter)) <= 256


def test_an_inner_name_keeps_its_suffix():
    assert inner_name("y" * 300, "-backoff-12") == "y" * 245 + "-backoff-12"


def raised(error):
    def flow():
        raise error
        yield

    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is looked at
        surfaced = surfacing(flow())
        next(surfaced)
    return caught.value


def outer(cause, message="no"):
    error = ChildContextError(message, error_type=type(cause).__name__, data="d", stack_trace=["l"], operation="ask")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cls", [CallbackExternalError, CallbackTimeoutError])
def test_what_the_callback_came_to_surfaces_as_itself_under_the_outer_name(cls):
    error = raised(outer(cls("late", operation="ask create callback id")))
    assert (type(error), error.message, error.operation, error.__cause__) == (cls, "late", "ask", None)


def test_a_submitter_that_failed_has_an_error_of_its_own_with_the_step_as_cause():
    step = StepError("no", error_type="ValueError")
    error = raised(outer(step))
    told = type(error), error.message, error.error_type, error.data, list(error.stack_trace), error.operation
    assert told == (CallbackSubmitterError, "no", "ValueError", "d", ["l"], "ask")
    assert error.__cause__ is step


@pytest.mark.parametrize("error", [outer(ValueError("x")), ChildContextError("x"), SerDesError("x")])
def test_everything_else_stays_what_it_is(error):
    assert raised(error) is error


def test_an_answer_is_passed_through():
    def flow():
        got = yield "asked"
        return got

    surfaced = surfacing(flow())
    assert next(surfaced) == "asked"
    with pytest.raises(StopIteration) as done:
        surfaced.send("answer")
    assert done.value.value == "answer"
