"""Protocol 11.4: the names inside, and how its failures are told."""

from __future__ import annotations

import pytest

from powertools_durable._operations.wait_for_callback import (
    Created,
    callback_name,
    inner_name,
    submit_and_wait,
    submitter_name,
    unwrap_failure,
)
from powertools_durable._replay.effects import Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import (
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    SerDesError,
    StepError,
)
from powertools_durable.serdes import PassThrough
from tests.kit import ended_with, engine


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
        surfaced = unwrap_failure(flow())
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

    surfaced = unwrap_failure(flow())
    assert next(surfaced) == "asked"
    with pytest.raises(StopIteration) as done:
        surfaced.send("answer")
    assert done.value.value == "answer"


# -- what it asks for ------------------------------------------------------------------------------------------

MADE = Returned(Created(None, "cb-1"))
WRONG = Raised(StepError("no"))


@pytest.mark.parametrize(
    ("outcomes", "methods", "end"),
    [
        ([MADE, Returned(None), Returned("yes")], ["create_callback", "step", "callback.result"], Returned("yes")),
        ([WRONG], ["create_callback"], WRONG),
        ([MADE, WRONG], ["create_callback", "step"], WRONG),
        ([MADE, Returned(None), WRONG], ["create_callback", "step", "callback.result"], WRONG),
    ],
)
def test_it_creates_submits_and_waits_and_ends_with_the_first_failure(outcomes, methods, end):
    series = submit_and_wait(Frame(engine()), "ask", (30, 0), lambda callback_id: None, PassThrough())
    effects, outcome = ended_with(series, outcomes)
    assert ([effect.method for effect in effects], outcome) == (methods, end)


def test_the_id_is_handed_to_the_step_and_the_timeouts_to_the_callback():
    frame, handed = Frame(engine()), []
    effects, _ = ended_with(submit_and_wait(frame, "ask", (30, 7), handed.append, PassThrough()), [MADE, WRONG])
    created, submitted = effects[0].begin(), effects[1].begin()
    options = next(created.flow).update.callback_options
    assert (created.op.name, options.timeout_seconds, options.heartbeat_timeout_seconds) == (
        *("ask create callback id", 30, 7),
    )
    assert (handed, submitted) == (["cb-1"], None)
