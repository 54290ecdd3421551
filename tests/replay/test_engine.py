from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable._protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_UPDATES
from powertools_durable._protocol.operation import Operation, OperationType, StepDetails
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationAction, OperationUpdate, WaitOptions
from powertools_durable._protocol.wire import to_wire
from tests.kit import NOON, S, engine, step_record

STEP, WAIT, EXECUTION = OperationType.STEP, OperationType.WAIT, OperationType.EXECUTION
START, SUCCEED, FAIL = OperationAction.START, OperationAction.SUCCEED, OperationAction.FAIL


def update(identifier="a", action=START, kind=STEP, payload=None, **fields) -> OperationUpdate:
    return OperationUpdate(id=identifier, type=kind, action=action, payload=payload, **fields)


def queued(*updates: OperationUpdate):
    eng = engine()
    for item in updates:
        eng.queue(item)
    return eng


def batches(eng) -> list[list[OperationUpdate]]:
    found = []
    while (batch := eng.next_batch()) is not None:
        found.append(batch.updates)
    return found


def answer(token="t1", *records: Operation, marker=None) -> CheckpointResponse:
    return CheckpointResponse(
        checkpoint_token=token, new_execution_state=StatePage(operations=records, next_marker=marker)
    )


# -- what shares a request: docs/contributing/protocol.md#batching -------------------------------------------------


def test_nothing_queued_is_no_request():
    assert engine().next_batch() is None


def test_a_step_s_start_and_end_share_a_request():
    assert len(batches(queued(update("a"), update("a", SUCCEED)))) == 1


def test_two_changes_of_one_operation_do_not_unless_they_are_start_and_end():
    changes = [update("a"), update("a", OperationAction.RETRY), update("a"), update("a", SUCCEED)]
    assert [[u.action for u in batch] for batch in batches(queued(*changes))] == [
        [START, OperationAction.RETRY],
        [START, SUCCEED],
    ]


def test_a_wait_s_updates_never_share_a_request():
    assert len(batches(queued(update("a", START, WAIT), update("a", OperationAction.CANCEL, WAIT)))) == 2


def test_251_updates_are_two_requests_in_order():
    sent = batches(queued(*(update(f"op-{n}") for n in range(MAX_BATCH_UPDATES + 1))))
    assert [len(batch) for batch in sent] == [250, 1]
    assert [u.id for batch in sent for u in batch] == [f"op-{n}" for n in range(251)]


def test_an_update_that_does_not_fit_goes_first_in_the_next_request():
    half = "x" * (MAX_BATCH_BYTES // 2)
    sent = batches(queued(update("a", payload=half), update("b", payload=half), update("c")))
    assert [[u.id for u in batch] for batch in sent] == [["a"], ["b", "c"]]


def test_an_update_larger_than_a_request_is_sent_alone():
    huge = update("b", SUCCEED, payload="x" * 800 * 1024)
    sent = batches(queued(update("a"), huge, update("c")))
    assert [[u.id for u in batch] for batch in sent] == [["a"], ["b"], ["c"]]


def test_a_start_and_an_800_kb_end_of_one_step_are_two_requests():
    sent = batches(queued(update("a"), update("a", SUCCEED, payload="x" * 800 * 1024)))
    assert [[u.action for u in batch] for batch in sent] == [[START], [SUCCEED]]


payloads = st.tuples(st.sampled_from(["x", "é", '"', "\x00", "𝄞"]), st.integers(0, 200_000))


@given(st.lists(payloads, max_size=12))
def test_no_request_is_over_the_limit_unless_one_update_is_and_nothing_is_lost(texts):
    updates = [update(f"op-{n}", payload=letter * times) for n, (letter, times) in enumerate(texts)]
    sent = batches(queued(*updates))
    assert [u for batch in sent for u in batch] == updates
    for batch in sent:
        assert len(batch) == 1 or len(json.dumps([to_wire(u) for u in batch]).encode()) <= MAX_BATCH_BYTES


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([START, SUCCEED, FAIL])), max_size=30))
def test_order_is_kept_for_ever(changes):
    updates = [update(identifier, action) for identifier, action in changes]
    assert [u for batch in batches(queued(*updates)) for u in batch] == updates


# -- when a request is due ------------------------------------------------------------------------------------


def test_a_waiter_presses_an_update_alone_lingers_and_batch_mode_does_neither():
    eng = engine()
    eng.queue(update("a"), deferred=True, now=NOON)
    assert (eng.is_pressing, eng.is_lingering, eng.deferred) == (False, False, 1)
    eng.queue(update("b"))
    assert (eng.is_pressing, eng.is_lingering) == (False, True)
    eng.queue(update("b", SUCCEED), waiter=object())
    assert eng.is_pressing
    eng.next_batch()
    assert (eng.is_pressing, eng.is_lingering, eng.deferred, eng.pending) == (False, False, 0, 0)


def test_a_full_request_is_due_in_batch_mode_too():
    eng = engine()
    for n in range(MAX_BATCH_UPDATES):
        eng.queue(update(f"op-{n}"), deferred=True, now=NOON)
    assert eng.is_pressing


def test_a_deferred_update_is_seen_at_once():
    eng = engine()
    eng.queue(update("a"), deferred=True, now=NOON)
    eng.queue(update("a", SUCCEED, payload="1"), deferred=True, now=NOON)
    assert eng.get("a").result == "1"
    batch = eng.next_batch()
    eng.receive(batch, answer("t1"), NOON)
    assert eng.get("a").attempts == 1  # the acknowledgement does not count it twice


# -- answers: docs/contributing/protocol.md#responses-without-a-token, #merging-a-response -----------------------


def sent(*updates):
    eng = queued(*updates)
    return eng, eng.next_batch()


def test_the_token_chain_is_linear():
    eng, batch = sent(update("a"))
    assert batch.token == "t0"
    eng.receive(batch, answer("t1"), NOON)
    eng.queue(update("b"))
    assert eng.next_batch().token == "t1"


def test_what_the_answer_leaves_out_is_known_from_what_was_sent():
    eng, batch = sent(update("a"), update("a", SUCCEED, payload="1"))
    eng.receive(batch, CheckpointResponse(checkpoint_token="t1"), NOON)
    assert eng.check_result("a").result == "1"


def test_what_the_answer_tells_counts():
    eng, batch = sent(update("w", START, WAIT, wait_options=WaitOptions(wait_seconds=1)))
    over = Operation(id="w", type=WAIT, status=S.SUCCEEDED)
    eng.receive(batch, answer("t1", over), NOON)
    assert eng.check_result("w") is over


def test_a_terminal_record_is_never_taken_back():
    eng = engine(done := step_record(S.SUCCEEDED, attempt=1, result="1"))
    eng.state.absorb([step_record(S.STARTED), step_record(S.FAILED, attempt=1)])
    assert eng.get(done.id) is done


def test_an_older_view_on_a_later_page_is_ignored():
    eng = engine(step_record(S.READY, attempt=2))
    eng.state.absorb([step_record(S.STARTED, attempt=1)])
    assert eng.get(step_record(S.READY).id).status is S.READY


def test_a_missing_token_revokes_and_a_missing_token_after_the_result_finishes():
    eng, batch = sent(update("a"))
    eng.receive(batch, CheckpointResponse(), NOON)
    assert (eng.revoked, eng.finished) == (True, False)
    eng, batch = sent(update("execution-result-1", SUCCEED, EXECUTION, "1"))
    eng.receive(batch, CheckpointResponse(), NOON)
    assert (eng.revoked, eng.finished) == (False, True)


def test_the_marker_of_further_changes_is_handed_on():
    eng, batch = sent(update("a"))
    assert eng.receive(batch, answer("t1", marker="m"), NOON) == "m"
    eng, batch = sent(update("a"))
    assert eng.receive(batch, answer("t1", marker=""), NOON) is None


def test_the_first_interruption_stays():
    eng = engine()
    first, second = ValueError(), KeyError()
    eng.interrupt(first)
    eng.interrupt(second)
    assert eng.interruption is first


def test_only_the_execution_s_own_record_is_no_replay():
    execution = Operation(id="x", type=EXECUTION, status=S.STARTED)
    assert not engine(execution).is_replaying
    assert engine(execution, step_record(S.STARTED)).is_replaying


@pytest.mark.parametrize("status", list(S))
def test_check_result_knows_what_has_ended(status):
    record = Operation(id="a", type=STEP, status=status, step_details=StepDetails())
    assert (engine(record).check_result("a") is record) == status.is_terminal
