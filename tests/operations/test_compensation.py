"""Compensations and deferred calls as series: last in, first out, and all of them."""

from __future__ import annotations

import pytest

from powertools_durable._operations.batch_mode import flush
from powertools_durable._operations.compensation import Compensation, run_compensations, takes_context, undo_block
from powertools_durable._operations.defer import run_deferred
from powertools_durable._replay.effects import Flush, Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import ChildContextError, InvalidStateError, SerDesError, StepError
from tests.kit import ended_with, engine

DONE = Returned(None)


def registered(*names):
    return [Compensation(((number, 0, 0),), name, name.upper(), print) for number, name in enumerate(names)]


def begun(compensation):
    raise AssertionError("the driver begins it")


@pytest.mark.parametrize(
    ("outcomes", "reports"),
    [
        ([DONE, DONE], [("b", "Succeeded", None), ("a", "Succeeded", None)]),
        ([Raised(StepError("no")), DONE], [("b", "Failed", "no"), ("a", "Succeeded", None)]),
        ([DONE, Raised(ChildContextError("no"))], [("b", "Succeeded", None), ("a", "Failed", "no")]),
        ([Raised(SerDesError("no"))] * 2, [("b", "Failed", "no"), ("a", "Failed", "no")]),
    ],
)
def test_all_are_tried_the_last_one_first(outcomes, reports):
    waiting = registered("a", "b")
    effects, result = ended_with(run_compensations(waiting, begun), outcomes)
    assert [(item.name, item.status, item.error) for item in result.items] == reports
    assert (len(effects), waiting) == (2, [])


def test_those_from_before_a_block_stay():
    waiting = registered("before", "a", "b")
    effects, result = ended_with(run_compensations(waiting, begun, since=((0, 1, 1),)), [DONE, DONE])
    assert ([item.name for item in result.items], [c.name for c in waiting]) == (["b", "a"], ["before"])
    assert [effect.method for effect in effects] == ["run_compensations"] * 2


def test_what_no_compensation_fails_with_ends_it():
    waiting, wrong = registered("a", "b"), InvalidStateError("x")
    with pytest.raises(InvalidStateError) as caught:
        ended_with(run_compensations(waiting, begun), [Raised(wrong)])
    assert (caught.value, [c.name for c in waiting]) == (wrong, ["a"])


@pytest.mark.parametrize(
    ("outcome", "message"),
    [(DONE, None), (Raised(StepError("no")), "undoing b failed, after KeyError")],
)
def test_a_block_raises_something_else_only_when_a_compensation_fails(outcome, message):
    series = undo_block(run_compensations(registered("a", "b"), begun), KeyError("order"))
    _, failure = ended_with(series, [outcome, DONE])
    if message is None:
        assert failure is None
    else:
        reports = (str(failure), failure.error_type, [item.status for item in failure.result.items])
        assert reports == (message, "KeyError", ["Failed", "Succeeded"])


@pytest.mark.parametrize(
    ("undo", "wants"),
    [
        (lambda result: None, False),
        (lambda child, result: None, True),
        (lambda result, more=1: None, False),
        (lambda *results: None, False),
        (print, False),
    ],
)
def test_two_required_parameters_ask_for_a_context(undo, wants):
    assert takes_context(undo) is wants


# -- deferred calls, batch mode --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "failed"),
    [
        ([DONE, DONE], []),
        ([Raised(StepError("1")), DONE], ["1"]),
        ([Raised(StepError("1")), Raised(ValueError("2"))], ["1", "2"]),
    ],
)
def test_all_that_was_deferred_runs_whichever_fails(outcomes, failed):
    effects, errors = ended_with(run_deferred(Frame(engine()), [begun, begun]), outcomes)
    assert ([str(error) for error in errors], len(effects)) == (failed, 2)


def test_nothing_more_runs_once_nothing_more_can_be_recorded():
    frame = Frame(engine())
    frame.engine.interrupt(InvalidStateError("x"))
    assert ended_with(run_deferred(frame, [begun]), []) == ([], [])


def test_a_flush_is_one_effect():
    assert ended_with(flush(), [None]) == ([Flush()], None)
