"""Protocol 12.3 and 12.7 as tables: what a fan-out asks for, records, and rebuilds; the plan is tests/replay's."""

from __future__ import annotations

import json

import pytest

from powertools_durable import Completion
from powertools_durable._operations.fan_out import Branches, fan_out
from powertools_durable._protocol.operation import ContextDetails, ErrorObject, Operation, OperationType, SubType
from powertools_durable._replay.effects import Checkpoint, Enter, FanOut, Raised, Returned
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable.errors import ChildContextError, InvalidStateError, NonDeterminismError, RetryableSerDesError
from powertools_durable.serdes import TaggedJson
from powertools_durable.serdes.batch_format import BatchSerDes
from tests.kit import FIRST, S, engine, play

LARGE = "x" * (256 * 1024)
NO = ErrorObject(error_type="KeyError", error_message="no")


def outer(status, result=None, *, error=None, replay_children=False):
    details = ContextDetails(result=result, error=error, replay_children=replay_children)
    return Operation(
        id=FIRST, type=OperationType.CONTEXT, status=status, name="m", sub_type=SubType.MAP, context_details=details
    )


def inner(index, status, result=None, error=None):
    return Operation(
        id=operation_id(f"{FIRST}-{index}"),
        type=OperationType.CONTEXT,
        status=status,
        name=f"map-item-{index}",
        sub_type=SubType.MAP_ITERATION,
        parent_id=FIRST,
        context_details=ContextDetails(result=result, error=error),
    )


class Asked:
    """A fan-out over what is found."""

    def __init__(self, total, *found, completion=None, flat=False, summary=None, serdes=None):
        root = Frame(engine(*found))
        self.op = root.begin(OperationType.CONTEXT, SubType.MAP, "m")
        names = [f"map-item-{index}" for index in range(total)]
        each = [TaggedJson()] * total
        branches = Branches(SubType.MAP, names, body, each, flat)
        written = serdes or BatchSerDes(each, names)
        done = completion or Completion.all_completed()
        self.flow = fan_out(self.op, lambda: root.child(self.op), branches, done, written, summary=summary)

    def play(self, *outcomes):
        return play(self.op, self.flow, outcomes)


def body(index, frame):
    raise AssertionError("a pure test runs no body")


def told(played):
    assert played.raised is None
    result = played.returned
    items = [
        (i.index, i.status, i.result if i.status != "FAILED" else (i.error.error_type, i.error.message)) for i in result
    ]
    return items, result.completion_reason


# -- first run -------------------------------------------------------------------------------------------------


def test_a_fresh_one_starts_without_waiting_and_runs_its_branches():
    asked = Asked(2)
    start = next(asked.flow)
    assert (start.update.action.value, start.update.sub_type, start.wait) == ("START", "Map", False)
    assert isinstance(asked.flow.send(None), FanOut)


def test_an_interrupted_one_is_entered_again_without_a_second_start():
    assert isinstance(next(Asked(2, outer(S.STARTED)).flow), FanOut)


def test_what_became_of_the_branches_is_recorded_and_read_back():
    asked = Asked(3)
    played = asked.play(Returned((1, 2)), Raised(KeyError("no")), Returned(None))
    expected = [(0, "SUCCEEDED", (1, 2)), (1, "FAILED", ("KeyError", "'no'")), (2, "SUCCEEDED", None)], "ALL_COMPLETED"
    assert told(played) == expected
    assert played.updates == ["START", "SUCCEED"]  # of its own; the branches' are theirs
    again = Asked(3, outer(S.SUCCEEDED, asked.op.record.result)).play()
    assert (again.effects, again.returned) == ([], played.returned)
    assert [item.name for item in again.returned] == ["map-item-0", "map-item-1", "map-item-2"]


@pytest.mark.parametrize("flat", [False, True])
def test_a_branch_has_its_own_identity_and_a_flat_one_no_record(flat):
    asked = Asked(2, outer(S.STARTED), flat=flat)
    op, flow = next(asked.flow).branch(1)
    first = next(flow)
    assert (op.id, op.name, op.sub_type, op.parent_id) == (
        operation_id(f"{FIRST}-1"),
        "map-item-1",
        "MapIteration",
        FIRST,
    )
    if flat:
        assert isinstance(first, Enter)
        assert (first.frame.context_id, first.frame.parent_id) == (op.id, FIRST)
    else:
        assert isinstance(first, Checkpoint)
        assert (first.update.action.value, first.wait) == ("START", False)


@pytest.mark.parametrize("flat", [False, True])
def test_what_was_never_started_is_left_out(flat):
    played = Asked(5, completion=Completion(min_successful=2), flat=flat).play(*[Returned(1)] * 5)
    assert told(played) == ([(0, "SUCCEEDED", 1), (1, "SUCCEEDED", 1)], "MIN_SUCCESSFUL_REACHED")


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.STOPPED, S.TIMED_OUT])
def test_every_other_end_is_a_child_context_error(status):
    played = Asked(1, outer(status, error=NO)).play()
    assert (type(played.raised), played.raised.error_type, played.effects) == (ChildContextError, "KeyError", [])


def test_an_unknown_status_is_a_typed_error():
    assert isinstance(Asked(1, outer(S("HIBERNATING"))).play().raised, InvalidStateError)


def test_a_result_that_cannot_be_written_fails_it():
    class Broken:
        def serialize(self, value, context):
            raise LookupError("no pen")

        def deserialize(self, text, context):
            raise NotImplementedError

    assert Asked(1, serdes=Broken()).play(Returned(1)).updates == ["START", "FAIL"]


def test_a_serdes_that_asks_for_another_invocation_records_nothing():
    class Away:
        def serialize(self, value, context):
            raise RetryableSerDesError("later")

        def deserialize(self, text, context):
            raise NotImplementedError

    played = Asked(1, serdes=Away()).play(Returned(1))
    assert (played.updates, type(played.raised)) == (["START"], RetryableSerDesError)


def test_fewer_branches_than_are_recorded_are_a_change_of_code():
    played = Asked(2, outer(S.STARTED), inner(2, S.STARTED)).play(Returned(1), Returned(2))
    assert isinstance(played.raised, NonDeterminismError)
    assert "branches: recorded 'more than 2', asked '2'" in str(played.raised)


# -- large results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "large"), [(100, False), (256 * 1024, True)])
def test_a_result_over_256_kib_is_replaced_by_what_its_rebuilding_needs(length, large):
    played = Asked(2).play(Returned("x" * length), Raised(KeyError("no")))
    succeed = played.effects[-1].update
    assert succeed.context_options.replay_children is large
    assert told(played)[0][0] == (0, "SUCCEEDED", "x" * length)
    if large:
        assert json.loads(succeed.payload) == {
            "type": "MapResult",
            "totalCount": 2,
            "completionReason": "ALL_COMPLETED",
            "startedIndexes": [],
            "startedCount": 0,
            "successCount": 1,
            "failureCount": 1,
            "status": "FAILED",
        }


def test_a_summary_is_asked_for_only_then_and_stands_beside_it():
    assert "summary" not in Asked(1, summary=lambda r: "s").play(Returned("x")).effects[-1].update.payload
    kept = Asked(1, summary=lambda r: f"{len(r)} in all").play(Returned(LARGE)).effects[-1].update.payload
    assert json.loads(kept)["summary"] == "1 in all"


@pytest.mark.parametrize("summary", [lambda r: 1 // 0, lambda r: object()], ids=["raises", "no text"])
def test_a_summary_that_fails_fails_the_fan_out(summary):
    played = Asked(1, summary=summary).play(Returned(LARGE))
    assert played.updates == ["START", "FAIL"]
    assert isinstance(played.raised, ChildContextError)


def compact(**changes):
    return json.dumps({"totalCount": 3, "completionReason": "MIN_SUCCESSFUL_REACHED", "startedIndexes": [1]} | changes)


GOOD, BAD, OPEN = inner(0, S.SUCCEEDED, '"zero"'), inner(2, S.FAILED, error=NO), inner(1, S.STARTED)
ZERO, TWO = (0, "SUCCEEDED", "zero"), (2, "FAILED", ("KeyError", "no"))
ONE_CUT_OFF = [ZERO, (1, "STARTED", None), TWO]


@pytest.mark.parametrize(
    ("text", "records", "items", "reason"),
    [
        (compact(), [GOOD, OPEN, BAD], ONE_CUT_OFF, "MIN_SUCCESSFUL_REACHED"),
        # what raced the decision: the record says STARTED, whatever has become of it since
        (compact(), [GOOD, inner(1, S.SUCCEEDED, "1"), BAD], ONE_CUT_OFF, "MIN_SUCCESSFUL_REACHED"),
        (compact(startedIndexes=[1, 2]), [GOOD, OPEN, BAD], [*ONE_CUT_OFF[:2], (2, "STARTED", None)], None),
        (compact(totalCount=1, startedIndexes=[]), [GOOD, OPEN, BAD], [ZERO], None),
        (compact(totalCount=0, startedIndexes=[]), [GOOD], [], None),
        (compact(completionReason="FROM_THE_FUTURE"), [GOOD, OPEN, BAD], ONE_CUT_OFF, "FROM_THE_FUTURE"),
        # no decision recorded: the branches' records tell, the reason follows from them
        ("", [GOOD, OPEN, BAD], [*ONE_CUT_OFF, (3, "STARTED", None)], "MIN_SUCCESSFUL_REACHED"),
        (None, [GOOD], [ZERO, *((n, "STARTED", None) for n in (1, 2, 3))], "MIN_SUCCESSFUL_REACHED"),
        ("two pages", [BAD], [*((n, "STARTED", None) for n in (0, 1)), TWO, (3, "STARTED", None)], "ALL_COMPLETED"),
        (compact(totalCount=9), [GOOD, OPEN, BAD], [*ONE_CUT_OFF, (3, "STARTED", None)], None),
    ],
)
def test_a_large_result_is_rebuilt_from_the_branches(text, records, items, reason):
    asked = Asked(4, outer(S.SUCCEEDED, text, replay_children=True), *records, completion=Completion(min_successful=1))
    played = asked.play()
    assert told(played) == (items, reason or "MIN_SUCCESSFUL_REACHED")
    assert played.updates == []


def test_the_other_half_of_the_indexes_may_be_listed():
    text = json.dumps({"totalCount": 3, "completionReason": "ALL_COMPLETED", "completedIndexes": [0, 2]})
    asked = Asked(3, outer(S.SUCCEEDED, text, replay_children=True), GOOD, OPEN, BAD)
    assert told(asked.play()) == (ONE_CUT_OFF, "ALL_COMPLETED")


@pytest.mark.parametrize("records", [[GOOD, BAD], [GOOD, OPEN, BAD]], ids=["no record", "an open record"])
def test_a_branch_that_must_have_ended_and_has_not_is_a_change_of_code(records):
    text = compact(startedIndexes=[])
    asked = Asked(3, outer(S.SUCCEEDED, text, replay_children=True), *records)
    assert isinstance(asked.play().raised, NonDeterminismError)


def test_the_bodies_of_flat_branches_run_again():
    asked = Asked(3, outer(S.SUCCEEDED, compact(), replay_children=True), flat=True)
    played = asked.play(Returned(0), Returned(1), Raised(KeyError("no")))
    assert told(played)[0] == [(0, "SUCCEEDED", 0), (1, "STARTED", None), (2, "FAILED", ("KeyError", "'no'"))]
    assert played.updates == []


def test_flat_branches_with_an_open_operation_are_cut_off_where_no_decision_is_recorded():
    def step(index, number, status):
        below = operation_id(operation_id(f"{FIRST}-{index}") + f"-{number}")
        return Operation(id=below, type=OperationType.STEP, status=status, parent_id=FIRST, sub_type=SubType.STEP)

    records = [step(0, 1, S.SUCCEEDED), step(0, 2, S.SUCCEEDED), step(1, 1, S.SUCCEEDED), step(1, 2, S.STARTED)]
    asked = Asked(2, outer(S.SUCCEEDED, "", replay_children=True), *records, flat=True)
    assert told(asked.play(Returned(0), Returned(1)))[0] == [(0, "SUCCEEDED", 0), (1, "STARTED", None)]
