"""Protocol 11.7, row by row."""

from __future__ import annotations

import pytest

from powertools_durable._operations.child import child, virtual_child
from powertools_durable._protocol.operation import ErrorObject, OperationType
from powertools_durable._replay.effects import Checkpoint, Enter, Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import (
    ChildContextError,
    InvalidStateError,
    NonDeterminismError,
    OperationError,
    RetryableSerDesError,
    SerDesError,
    StepError,
)
from powertools_durable.scope import ReplayState
from powertools_durable.serdes import TaggedJson
from tests.kit import S, context_record, handle, play

LARGE = "x" * (256 * 1024)


class Entered:
    def __init__(self, found, summary=None, serdes=None):
        self.op = handle(found, OperationType.CONTEXT)
        self.frames = []
        self.flow = child(self.op, self.open, lambda frame: None, serdes or TaggedJson(), summary)

    def open(self):
        root = Frame(self.op.engine)
        self.frames.append(root.child(self.op))
        return self.frames[-1]

    def play(self, *outcomes):
        return play(self.op, self.flow, outcomes)


def test_a_fresh_context_starts_without_waiting_and_is_entered():
    entered = Entered(None)
    start, enter = next(entered.flow), entered.flow.send(None)
    assert isinstance(start, Checkpoint)
    assert (start.update.action.value, start.wait) == ("START", False)
    assert isinstance(enter, Enter)


def test_an_interrupted_context_is_entered_again_without_a_second_start():
    played = Entered(context_record(S.STARTED)).play(Returned(1))
    assert played.updates == ["SUCCEED"]
    assert played.returned == 1


def test_a_finished_context_is_not_entered():
    played = Entered(context_record(S.SUCCEEDED, result="7")).play()
    assert (played.effects, played.returned) == ([], 7)


def test_what_it_returns_is_recorded_and_read_back():
    played = Entered(None).play(Returned((1, 2)))
    assert played.updates == ["START", "SUCCEED"]
    assert played.returned == (1, 2)


def test_a_result_of_none_is_none_on_the_replay_too():
    entered = Entered(None)
    assert entered.play(Returned(None)).returned is None
    assert play(entered.op, child(entered.op, entered.open, print, TaggedJson())).returned is None


def test_a_large_result_is_left_out_of_the_record_and_rebuilt_by_the_body():
    entered = Entered(None)
    live = entered.play(Returned(LARGE))
    assert live.effects[-1].update.payload == ""
    assert live.effects[-1].update.context_options.replay_children
    assert live.returned == LARGE
    assert len([e for e in live.effects if isinstance(e, Enter)]) == 1

    again = Entered(entered.op.record)
    replayed = again.play(Returned(LARGE))
    assert replayed.updates == []
    assert replayed.returned == LARGE
    assert again.frames[0].replay_state is ReplayState.SEALED


@pytest.mark.parametrize(("text", "large"), [("x" * (256 * 1024 - 2), False), ("é" * (128 * 1024 - 1), True)])
def test_a_result_is_measured_as_it_is_written(text, large):
    # 256 KiB with its two quotes still fits; an é is written as six characters.
    played = Entered(None).play(Returned(text))
    assert played.effects[-1].update.context_options.replay_children is large


def test_a_summary_takes_the_place_of_a_large_result_only():
    assert Entered(None, lambda value: "short").play(Returned(1)).effects[-1].update.payload == "1"
    large = Entered(None, lambda value: f"{len(value)} letters").play(Returned(LARGE))
    assert large.effects[-1].update.payload == "262144 letters"


def test_a_summary_that_raises_fails_the_context():
    def broken(value):
        raise KeyError("summary")

    played = Entered(None, broken).play(Returned(LARGE))
    assert played.updates == ["START", "FAIL"]
    assert type(played.raised) is ChildContextError
    assert played.raised.error_type == "KeyError"


@pytest.mark.parametrize("summary", [None, 7, "x" * (1024 * 1024 + 1)], ids=["nothing", "a number", "too much"])
def test_a_summary_is_text_that_the_service_takes(summary):
    played = Entered(None, lambda value: summary).play(Returned(LARGE))
    assert played.updates == ["START", "FAIL"]


def test_a_failure_is_recorded_and_raised_as_it_was_recorded():
    entered = Entered(None)
    live = entered.play(Raised(ValueError("no"))).raised
    replayed = Entered(entered.op.record).play().raised
    for error in (live, replayed):
        assert (type(error), str(error), error.error_type) == (ChildContextError, "no", "ValueError")


def test_a_failed_step_inside_is_the_cause():
    played = Entered(None).play(Raised(StepError("no", error_type="ValueError")))
    assert played.effects[-1].update.error == ErrorObject(error_message="no", error_type="StepError(ValueError)")
    assert type(played.raised) is ChildContextError
    assert type(played.raised.__cause__) is StepError
    assert played.raised.error_type == played.raised.__cause__.error_type == "ValueError"


def test_a_serdes_error_inside_surfaces_as_itself_live_and_replayed():
    entered = Entered(None)
    assert type(entered.play(Raised(SerDesError("bad"))).raised) is SerDesError
    assert type(Entered(entered.op.record).play().raised) is SerDesError


def test_a_result_that_cannot_be_written_fails_the_context():
    played = Entered(None).play(Returned(object()))
    assert played.updates == ["START", "FAIL"]
    assert type(played.raised) is SerDesError


class Away:
    def serialize(self, value, context):
        raise RetryableSerDesError("away")

    def deserialize(self, text, context):
        raise NotImplementedError


def test_a_serdes_that_asks_for_another_invocation_records_nothing():
    played = Entered(None, serdes=Away()).play(Returned(1))
    assert played.updates == ["START"]
    assert type(played.raised) is RetryableSerDesError


@pytest.mark.parametrize("status", [S.FAILED, S.STOPPED, S.CANCELLED, S.TIMED_OUT])
def test_every_other_end_is_a_child_context_error(status):
    assert type(Entered(context_record(status)).play().raised) is ChildContextError


def test_a_state_no_context_has_is_a_typed_error():
    assert type(Entered(context_record(S("HIBERNATING"))).play().raised) is InvalidStateError


def test_a_body_that_fails_while_a_large_result_is_rebuilt_is_a_change_of_code():
    played = Entered(context_record(S.SUCCEEDED, result="", replay_children=True)).play(Raised(ValueError("new")))
    assert type(played.raised) is NonDeterminismError


def test_the_end_of_a_context_closes_its_frame():
    entered = Entered(None)
    played = entered.play(Returned(1))
    assert played.effects[-1].closes is entered.frames[0]


def test_a_virtual_context_records_nothing_and_returns_what_a_record_would():
    op = handle(None, OperationType.CONTEXT)
    frame = Frame(op.engine).child(op, virtual=True)
    played = play(op, virtual_child(op, frame, print, TaggedJson()), [Returned(bytearray(b"x"))])
    assert played.updates == []
    assert played.returned == b"x"


def test_a_virtual_context_raises_what_a_record_would():
    op = handle(None, OperationType.CONTEXT)
    frame = Frame(op.engine).child(op, virtual=True)
    played = play(op, virtual_child(op, frame, print, TaggedJson()), [Raised(ValueError("no"))])
    assert (type(played.raised), played.raised.error_type) == (ChildContextError, "ValueError")
    assert isinstance(played.raised, OperationError)
