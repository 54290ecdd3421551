"""What a checkpoint may not ask for, and that a refusal changes nothing.

See docs/contributing/protocol.md#statuses-and-transitions, #operation-updates, #batching, #limits.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import OOPS, A, Bench, S, T, bring, callback, retry, update, wait

STATUSES = {
    T.STEP: (None, S.STARTED, S.PENDING, S.READY, S.SUCCEEDED, S.FAILED),
    T.WAIT: (None, S.STARTED, S.SUCCEEDED, S.CANCELLED),
    T.CALLBACK: (None, S.STARTED, S.SUCCEEDED, S.FAILED),
    T.CONTEXT: (None, S.STARTED, S.SUCCEEDED, S.FAILED),
    T.CHAINED_INVOKE: (None, S.STARTED, S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.STOPPED),
}
ACCEPTED = {
    (T.STEP, None): {A.START: S.STARTED},
    (T.STEP, S.STARTED): {A.SUCCEED: S.SUCCEEDED, A.FAIL: S.FAILED, A.RETRY: S.PENDING},
    (T.STEP, S.READY): {A.START: S.STARTED, A.SUCCEED: S.SUCCEEDED, A.FAIL: S.FAILED, A.RETRY: S.PENDING},
    (T.WAIT, None): {A.START: S.STARTED},
    (T.WAIT, S.STARTED): {A.CANCEL: S.CANCELLED},
    (T.CALLBACK, None): {A.START: S.STARTED},
    (T.CONTEXT, None): {A.START: S.STARTED},
    (T.CONTEXT, S.STARTED): {A.SUCCEED: S.SUCCEEDED, A.FAIL: S.FAILED},
    (T.CHAINED_INVOKE, None): {A.START: S.STARTED},
}
WORDS = {
    (T.STEP, A.START): "Invalid current STEP state to start.",
    (T.STEP, A.SUCCEED): "Invalid current STEP state to close.",
    (T.STEP, A.FAIL): "Invalid current STEP state to close.",
    (T.STEP, A.RETRY): "Invalid current STEP state to re-attempt.",
    (T.WAIT, A.START): "Cannot start a WAIT that already exist.",
    (T.WAIT, A.CANCEL): "Cannot cancel a WAIT that does not exist or has already completed.",
    (T.CALLBACK, A.START): "Cannot start a CALLBACK that already exist.",
    (T.CONTEXT, A.START): "Cannot start a CONTEXT that already exist.",
    (T.CONTEXT, A.SUCCEED): "Invalid current CONTEXT state to close.",
    (T.CONTEXT, A.FAIL): "Invalid current CONTEXT state to close.",
    (T.CHAINED_INVOKE, A.START): "Cannot start a CHAINED_INVOKE operation that already exists.",
}
NOT_OF_ITS_TYPE = "Invalid action for the given operation type."


@pytest.fixture
def bench():
    return Bench()


# -- every type, in every status, with every action ---------------------------------------------------------------


@pytest.mark.parametrize("action", A)
@pytest.mark.parametrize(("kind", "status"), [(kind, status) for kind in STATUSES for status in STATUSES[kind]])
def test_an_action_is_done_in_its_status_and_refused_in_any_other(bench, kind, status, action):
    bring(bench, kind, status)
    becomes = ACCEPTED.get((kind, status), {}).get(action)
    if becomes is not None:
        (record,) = bench.send(update(kind, action))[-1:]
        assert record.status is becomes
    else:
        assert bench.refused(update(kind, action)) == WORDS.get((kind, action), NOT_OF_ITS_TYPE)


@pytest.mark.parametrize("action", [A.START, A.RETRY, A.CANCEL])
def test_an_execution_is_only_ended(bench, action):
    assert bench.refused(update(T.EXECUTION, action, "execution-result-1")) == NOT_OF_ITS_TYPE


def test_a_refusal_says_which_update_it_is_about(bench):
    bring(bench, T.STEP, S.PENDING)
    with pytest.raises(ServiceRefusal) as caught:
        bench.send(update(T.STEP, A.START, "first"), update(T.STEP, A.SUCCEED))
    assert str(caught.value) == "Invalid current STEP state to close. (SUCCEED of STEP op, which was PENDING)"


def test_one_bad_update_refuses_all_of_them(bench):
    good = [update(T.STEP, A.START, "a"), update(T.CONTEXT, A.START, "b"), callback("c", timeout=5)]
    assert bench.refused(*good, update(T.WAIT, A.CANCEL, "d")) == WORDS[T.WAIT, A.CANCEL]
    assert bench.statuses() == {}
    assert [record.status for record in bench.send(*good)] == [S.STARTED] * 3


# -- identity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "x" * 65, "a/b", "a b", "\u00e9"])
def test_an_id_is_64_letters_digits_hyphens_or_underscores(bench, bad):
    assert bench.refused(update(T.STEP, A.START, bad)) == "Invalid operation id."


@pytest.mark.parametrize("bad", ["", "x" * 257, "two\nlines", "caf\u00e9"])
def test_a_name_is_256_printable_characters_of_ascii(bench, bad):
    assert bench.refused(update(T.STEP, A.START, name=bad)) == "Invalid operation name."


@pytest.mark.parametrize("bad", ["", "x" * 33, "a b"])
def test_a_sub_type_is_32_letters_digits_hyphens_or_underscores(bench, bad):
    assert bench.refused(update(T.STEP, A.START, sub_type=bad)) == "Invalid operation subtype."


def test_identities_of_the_greatest_length_are_taken(bench):
    (record,) = bench.send(update(T.STEP, A.START, "x" * 64, name="~" * 256, sub_type="y" * 32))
    assert (record.name, record.sub_type) == ("~" * 256, "y" * 32)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sub_type": "Other"}, "Inconsistent operation subtype."),
        ({"name": "other"}, "Inconsistent operation name."),
        ({"parent_id": "d"}, "Inconsistent parent operation id."),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_an_update_agrees_with_its_operation(bench, wrong, words, together):
    bench.send(update(T.CONTEXT, A.START, "c"), update(T.CONTEXT, A.START, "d"))
    same = {"name": "pay", "sub_type": "Step", "parent_id": "c"}
    start = update(T.STEP, A.START, **same)
    if not together:
        bench.send(start)
    ahead = [start] if together else []
    assert bench.refused(*ahead, update(T.STEP, A.SUCCEED, **{**same, **wrong})) == words
    assert bench.send(*ahead, update(T.STEP, A.SUCCEED, **same))[-1].status is S.SUCCEEDED


def test_an_update_agrees_with_its_operation_in_type(bench):
    bench.send(update(T.STEP, A.START))
    assert bench.refused(update(T.CONTEXT, A.SUCCEED)) == "Inconsistent operation type."
    assert bench.refused(update(T.EXECUTION, A.SUCCEED)) == "Inconsistent operation type."


def test_what_an_update_leaves_out_is_not_compared(bench):
    bench.send(update(T.STEP, A.START, name="pay", sub_type="Step"))
    (record,) = bench.send(update(T.STEP, A.SUCCEED))
    assert (record.status, record.name) == (S.SUCCEEDED, None)  # and lost: the record is built from the last update


# -- one id twice -------------------------------------------------------------------------------------------------

START_STEP, END_STEP = update(T.STEP, A.START), update(T.STEP, A.SUCCEED)
START_CONTEXT, END_CONTEXT = update(T.CONTEXT, A.START), update(T.CONTEXT, A.FAIL, error=OOPS)


@pytest.mark.parametrize(
    "updates",
    [
        (START_STEP, END_STEP),
        (START_STEP, retry()),
        (START_CONTEXT, END_CONTEXT),
        (START_CONTEXT, update(T.STEP, A.START, "child", parent_id="op"), END_CONTEXT),
    ],
)
def test_a_step_or_a_context_may_start_and_end_in_one_request(bench, updates):
    bench.send(*updates)
    assert bench.statuses()["op"] is not S.STARTED


@pytest.mark.parametrize(
    "updates",
    [
        (START_STEP, START_STEP),
        (START_STEP, END_STEP, END_STEP),
        (START_STEP, retry(), START_STEP),
        (START_CONTEXT, START_CONTEXT),
        (START_CONTEXT, END_CONTEXT, START_CONTEXT),
        (wait(), update(T.WAIT, A.CANCEL)),
        (callback(), callback()),
    ],
)
def test_anything_else_twice_is_refused(bench, updates):
    assert bench.refused(*updates) == "Cannot checkpoint multiple operations with the same ID."


def test_a_ready_step_may_start_again_and_end_in_one_request(bench):
    bring(bench, T.STEP, S.READY)
    (record,) = bench.send(START_STEP, END_STEP)
    assert (record.status, record.attempts) == (S.SUCCEEDED, 2)


# -- parents ------------------------------------------------------------------------------------------------------

BELOW = update(T.STEP, A.START, parent_id="parent")
INVALID_PARENT = "Invalid parent operation id."


def test_a_parent_has_started_before_or_earlier_in_the_request(bench):
    parent = update(T.CONTEXT, A.START, "parent")
    assert bench.refused(BELOW) == INVALID_PARENT
    assert bench.refused(BELOW, parent) == INVALID_PARENT
    assert [record.id for record in bench.send(parent, BELOW)] == ["parent", "op"]


@pytest.mark.parametrize("kind", [T.STEP, T.WAIT, T.CALLBACK, T.CHAINED_INVOKE])
@pytest.mark.parametrize("together", [False, True])
def test_a_parent_is_a_context(bench, kind, together):
    parent = update(kind, A.START, "parent")
    if not together:
        bench.send(parent)
    assert bench.refused(*([parent] if together else []), BELOW) == INVALID_PARENT


def test_the_execution_is_no_parent(bench):
    execution_id = next(iter(bench.execution.operations))
    assert bench.refused(update(T.STEP, A.START, parent_id=execution_id)) == INVALID_PARENT


def test_a_context_is_not_its_own_parent(bench):
    assert bench.refused(update(T.CONTEXT, A.START, parent_id="op")) == INVALID_PARENT


@pytest.mark.parametrize("end", [A.SUCCEED, A.FAIL])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_is_recorded_below_a_context_that_has_ended(bench, end, together, depth):
    chain = [None, "c1", "c2", "c3"]
    for parent, key in pairwise(chain[: depth + 1]):
        bench.send(update(T.CONTEXT, A.START, key, parent_id=parent))
    bench.send(update(T.STEP, A.START, "open", parent_id=chain[depth]))
    ends = update(T.CONTEXT, end, "c1")
    if not together:
        bench.send(ends)
    ahead = [ends] if together else []
    for late in (
        update(T.STEP, A.START, "fresh", parent_id=chain[depth]),
        update(T.STEP, A.SUCCEED, "open", parent_id=chain[depth]),
        update(T.STEP, A.SUCCEED, "open"),  # without its parent it is still below it
    ):
        assert bench.refused(*ahead, late) == "Parent context has already ended."


# -- the end of the execution -------------------------------------------------------------------------------------


def test_the_end_of_the_execution_comes_last_and_once(bench):
    ends = update(T.EXECUTION, A.SUCCEED, "execution-result-1", payload="7")
    assert bench.refused(ends, START_STEP) == "EXECUTION checkpoint must be the last update."
    assert bench.refused(START_STEP, ends, ends) == "Cannot checkpoint multiple EXECUTION updates."
    bench.send(START_STEP, ends)
    assert (bench.execution.header.status, bench.execution.header.result) == ("SUCCEEDED", "7")


def test_a_step_that_began_in_the_same_request_is_below_its_context_also_without_naming_it(bench):
    bench.send(update(T.CONTEXT, A.START, "c1"))
    begins, closes = update(T.STEP, A.START, "s", parent_id="c1"), update(T.CONTEXT, A.SUCCEED, "c1")
    assert bench.refused(begins, closes, update(T.STEP, A.SUCCEED, "s")) == "Parent context has already ended."
