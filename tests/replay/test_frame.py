from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType, SubType
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable.errors import NonDeterminismError, SuspendExecution
from powertools_durable.scope import ReplayState
from tests.kit import FIRST, S, context_record, engine, step_record, wait_record

STEP, CONTEXT, WAIT = OperationType.STEP, OperationType.CONTEXT, OperationType.WAIT


# -- ids: the vectors of docs/contributing/protocol.md#test-vectors ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1ced8f5be2db23a6513eba4d819c73806424748a7bc6fa0d792cc1c7d1775a97"),
        ("2", "c5faca15ac2f93578b39ef4b6bbb871bdedce4ddd584fd31f0bb66fade3947e6"),
        ("3", "6f760b9e9eac89f07ab0223b0f4acb04d1e355d893a1b86a83f4d4b405adee99"),
        (f"{FIRST}-1", "974bfc6321e227b0ff101342eaf19b336f002dc6cc99c18f0941a7755cc20fc4"),
        (f"{FIRST}-2", "9d8bc609108ec7b3600d6cceec22d18553e3e1ec52a3568cb251464a3d39d24f"),
        (f"{FIRST}-0", "1712f93e2f51df042e2b933907d75accfe34a48fe4a42a24e0b08131bc72d591"),
        (
            "1712f93e2f51df042e2b933907d75accfe34a48fe4a42a24e0b08131bc72d591-1",
            "48550629202cb2d0e1bd4f07d826361bbd2defa71565264c01647fc2da0e9b1e",
        ),
    ],
)
def test_ids_are_those_of_the_official_sdk(text, expected):
    assert operation_id(text) == expected


def test_the_digest_is_cut_not_short():
    assert operation_id("1") != "92cdf578c47085a5992256f0dcf97d0b19f1f1c9de4d5fe30c3ace6191b6e5db"


def test_operations_are_numbered_from_one_in_call_order():
    frame = Frame(engine())
    assert [frame.begin(STEP, "Step", None).id for _ in range(3)] == [operation_id(n) for n in "123"]


def test_a_child_counts_anew_below_its_own_id():
    frame = Frame(engine())
    child = frame.child(frame.begin(CONTEXT, "RunInChildContext", "c"))
    op = child.begin(STEP, "Step", None)
    assert (op.id, op.parent_id) == (operation_id(f"{FIRST}-1"), FIRST)


def test_a_virtual_child_prefixes_ids_but_is_nobody_s_parent():
    frame = Frame(engine())
    child = frame.child(frame.begin(CONTEXT, "RunInChildContext", "c", virtual=True), virtual=True)
    op = child.begin(STEP, "Step", None)
    assert (op.id, op.parent_id) == (operation_id(f"{FIRST}-1"), None)


# -- determinism: docs/contributing/protocol.md#determinism-check -------------------------------------------------

RECORDED = step_record(S.SUCCEEDED, name="charge")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ((STEP, "Step", "refund"), "name"),
        ((STEP, "Step", None), "name"),
        ((STEP, "WaitForCondition", "charge"), "sub type"),
        ((WAIT, "Step", "charge"), "type"),
    ],
)
def test_another_operation_than_the_recorded_one_is_refused(asked, field):
    with pytest.raises(NonDeterminismError) as caught:
        Frame(engine(RECORDED)).begin(*asked)
    error = caught.value
    assert list(error.asked) == [field]
    assert f"{field}: recorded" in str(error)
    assert error.location.startswith(__file__)


def test_a_sub_type_is_told_as_it_is_recorded():
    with pytest.raises(NonDeterminismError, match="sub type: recorded 'Step', asked 'WaitForCondition'"):
        Frame(engine(RECORDED)).begin(STEP, SubType.WAIT_FOR_CONDITION, "charge")


def test_another_parent_is_refused():
    with pytest.raises(NonDeterminismError, match="parent"):
        Frame(engine(replace(RECORDED, parent_id="elsewhere"))).begin(STEP, "Step", "charge")


def test_no_name_and_an_empty_name_are_the_same():
    Frame(engine(replace(RECORDED, name=""))).begin(STEP, "Step", None)


def test_a_record_where_a_virtual_context_is_asked_for_is_refused():
    with pytest.raises(NonDeterminismError, match="virtual"):
        Frame(engine(context_record(S.SUCCEEDED))).begin(CONTEXT, "RunInChildContext", "op", virtual=True)


def test_the_error_stays_with_the_engine_whatever_the_handler_does_with_it():
    frame = Frame(engine(RECORDED))
    with pytest.raises(NonDeterminismError) as caught:
        frame.begin(STEP, "Step", "refund")
    assert frame.engine.interruption is caught.value


def test_a_finished_context_that_asks_for_something_never_recorded_is_refused():
    eng = engine(context_record(S.SUCCEEDED, replay_children=True))
    root = Frame(eng)
    child = root.child(root.begin(CONTEXT, "RunInChildContext", "op"))
    with pytest.raises(NonDeterminismError, match="recorded nothing"):
        child.begin(STEP, "Step", "new")


# -- replaying or live: T1 to T5 at the top of frame.py ----------------------------------------------------


def history(*statuses: OperationStatus) -> list[Operation]:
    return [replace(step_record(status), id=operation_id(str(n))) for n, status in enumerate(statuses, 1)]


def states(frame: Frame, count: int) -> list[ReplayState]:
    """The state before each operation runs, and after the last."""
    seen = []
    for _ in range(count):
        frame.begin(STEP, "Step", "op")
        seen.append(frame.replay_state)
        frame.end()
    return [*seen, frame.replay_state]


LIVE, REPLAY = ReplayState.LIVE, ReplayState.REPLAY


def test_t1_a_context_without_records_ahead_begins_live():
    assert Frame(engine()).replay_state is LIVE
    assert Frame(engine(*history(S.SUCCEEDED))).replay_state is REPLAY


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ([S.SUCCEEDED, S.SUCCEEDED], [REPLAY, REPLAY, LIVE]),
        ([S.SUCCEEDED, S.STARTED], [REPLAY, LIVE, LIVE]),
        ([S.SUCCEEDED, S.READY], [REPLAY, LIVE, LIVE]),
        ([S.SUCCEEDED], [REPLAY, LIVE, LIVE]),
        ([], [LIVE, LIVE, LIVE]),
    ],
)
def test_t2_and_t3_a_context_goes_live_where_its_records_end_or_its_step_runs(recorded, expected):
    assert states(Frame(engine(*history(*recorded))), 2) == expected


def test_t2_an_unfinished_wait_is_still_replay():
    frame = Frame(engine(wait_record(S.STARTED)))
    frame.begin(WAIT, "Wait", "op")
    assert frame.replay_state is REPLAY


def test_t4_a_suspension_marks_the_context_as_unwinding():
    frame = Frame(engine())
    op = frame.begin(WAIT, "Wait", "op")
    signal = frame.suspend_until(None, op)
    assert isinstance(signal, SuspendExecution)
    assert frame.replay_state is ReplayState.UNWINDING
    assert frame.suspension is signal
    assert signal.waits_for == (op,)


def test_a_sealed_context_stays_sealed():
    eng = engine(context_record(S.SUCCEEDED, replay_children=True))
    root = Frame(eng)
    child = root.child(root.begin(CONTEXT, "RunInChildContext", "op"))
    child.end()
    assert child.replay_state is ReplayState.SEALED


def test_a_look_ahead_sees_through_virtual_contexts():
    inner = replace(step_record(S.SUCCEEDED), id=operation_id(f"{FIRST}-1"))
    frame = Frame(engine(inner))
    assert frame.replay_state is REPLAY
    frame.begin(CONTEXT, "RunInChildContext", "v", virtual=True)
    assert frame.replay_state is REPLAY


@given(st.integers(0, 12), st.integers(0, 12))
def test_live_is_final(recorded, asked):
    seen = states(Frame(engine(*history(*[S.SUCCEEDED] * recorded))), asked)
    assert seen == sorted(seen, key=[REPLAY, LIVE].index)
    assert (seen[-1] is REPLAY) == (asked < recorded)


# -- orphans --------------------------------------------------------------------------------------------------


def test_everything_below_a_finished_context_is_an_orphan():
    root = Frame(engine())
    child = root.child(root.begin(CONTEXT, "RunInChildContext", "a"))
    grandchild = child.child(child.begin(CONTEXT, "RunInChildContext", "b"))
    child.finished = True
    assert (root.is_orphaned, child.is_orphaned, grandchild.is_orphaned) == (False, True, True)
