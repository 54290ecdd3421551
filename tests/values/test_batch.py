"""What a fan-out returns, and what stands in its record when it is too large.

See docs/contributing/protocol.md#batch-results, #large-results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import BatchError, BatchItem, BatchResult, ChildContextError
from powertools_durable.batch import Compact, from_mapping, to_mapping
from powertools_durable.completion import CompletionReason
from powertools_durable.errors import SerDesError

ERROR = ChildContextError("no", error_type="ValueError", data='{"a":1}')
ITEMS = (
    BatchItem(0, "a", "SUCCEEDED", result=10),
    BatchItem(1, "b", "FAILED", error=ERROR),
    BatchItem(2, "c", "STARTED"),
    BatchItem(3, "d", "SUCCEEDED", result=None),
)
RESULT = BatchResult(ITEMS, "MIN_SUCCESSFUL_REACHED")


def test_it_is_a_sequence_of_its_items():
    assert isinstance(RESULT, Sequence)
    assert (len(RESULT), RESULT[1], RESULT[-1], RESULT[1:3]) == (4, ITEMS[1], ITEMS[3], ITEMS[1:3])
    assert [item.index for item in RESULT] == [0, 1, 2, 3]
    assert ITEMS[2] in RESULT


def test_it_tells_apart_what_became_of_the_branches():
    assert RESULT.results == [10, None]  # a branch that returns nothing has succeeded too
    assert RESULT.errors == [ERROR]
    assert [item.name for item in RESULT.succeeded] == ["a", "d"]
    assert [item.name for item in RESULT.failed] == ["b"]
    assert [item.name for item in RESULT.started] == ["c"]
    counts = RESULT.success_count, RESULT.failure_count, RESULT.started_count, RESULT.total_count
    assert counts == (2, 1, 1, 4)
    assert (RESULT.has_failure, RESULT.status) == (True, "FAILED")


@pytest.mark.parametrize(
    ("reason", "items", "status"),
    [
        ("ALL_COMPLETED", ITEMS, "FAILED"),
        ("ALL_COMPLETED", ITEMS[2:], "SUCCEEDED"),
        ("ALL_COMPLETED", (), "SUCCEEDED"),
        ("CUSTOM_COMPLETION_SUCCEEDED", ITEMS, "SUCCEEDED"),
        ("CUSTOM_COMPLETION_FAILED", ITEMS[2:], "FAILED"),
    ],
)
def test_its_status_is_that_of_its_branches_unless_a_rule_decided(reason, items, status):
    assert BatchResult(items, reason).status == status


@pytest.mark.parametrize(
    ("reason", "items", "raised"),
    [
        ("ALL_COMPLETED", ITEMS, ChildContextError),
        ("CUSTOM_COMPLETION_SUCCEEDED", ITEMS, ChildContextError),
        ("CUSTOM_COMPLETION_FAILED", ITEMS, ChildContextError),
        ("CUSTOM_COMPLETION_FAILED", ITEMS[2:], BatchError),
        ("ALL_COMPLETED", (BatchItem(0, None, "FAILED"),), ChildContextError),
    ],
)
def test_failures_are_raised_when_asked_for(reason, items, raised):
    with pytest.raises(raised) as caught:
        BatchResult(items, reason).raise_if_failed()
    assert type(caught.value) is raised


def test_without_failures_nothing_is_raised():
    BatchResult(ITEMS[2:], "ALL_COMPLETED").raise_if_failed()


# -- results: what nobody tolerated can't vanish --------------------------------------------------

REASONS = {
    "ALL_COMPLETED": False,
    "MIN_SUCCESSFUL_REACHED": False,
    "FAILURE_TOLERANCE_EXCEEDED": True,
    "CUSTOM_COMPLETION_SUCCEEDED": False,
    "CUSTOM_COMPLETION_FAILED": True,
}


def test_every_reason_is_in_the_table():
    assert set(REASONS) == {reason.value for reason in CompletionReason}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("wording", [str, CompletionReason], ids=["text", "member"])
def test_results_raise_if_an_item_failed_and_the_reason_says_that_it_was_too_many(reason, wording):
    result = BatchResult(ITEMS, wording(reason))
    if not REASONS[reason]:
        assert result.results == [10, None]
        return
    with pytest.raises(BatchError) as caught:
        result.results  # noqa: B018 - it is read to see what comes of it
    error = caught.value
    assert str(error).startswith("item 'b' (index 1) failed with ValueError: no; results would leave it out")
    assert ".succeeded for the 2 items that succeeded" in str(error)
    assert (list(error.succeeded), error.__cause__) == (result.succeeded, ERROR)


@pytest.mark.parametrize("reason", REASONS)
def test_results_without_a_failed_item_are_the_successes_whatever_the_reason(reason):
    assert BatchResult(ITEMS[2:], reason).results == [None]
    assert BatchResult((), reason).results == []


@pytest.mark.parametrize("reason", REASONS)
def test_all_else_tells_of_failures_and_raises_nothing(reason):
    result = BatchResult(ITEMS, reason)
    assert (result[1], list(result), len(result.failed), result.errors) == (ITEMS[1], list(ITEMS), 1, [ERROR])
    assert [item.result for item in result.succeeded] == [10, None]


def test_results_count_the_failures_and_name_an_item_without_a_name_by_its_index():
    items = (BatchItem(4, None, "FAILED", error=SerDesError("unreadable")), BatchItem(6, "g", "FAILED", error=ERROR))
    with pytest.raises(
        BatchError, match=r"^item 4 \(index 4\) failed with SerDesError: unreadable, and 1 more failed;"
    ):
        BatchResult(items, "FAILURE_TOLERANCE_EXCEEDED").results  # noqa: B018
    with pytest.raises(BatchError, match=r"^item 0 \(index 0\) failed; results would"):
        BatchResult((BatchItem(0, None, "FAILED"),), "FAILURE_TOLERANCE_EXCEEDED").results  # noqa: B018


def test_its_repr_tells_how_it_ended_and_no_results():
    assert repr(RESULT) == "<BatchResult MIN_SUCCESSFUL_REACHED: 2 succeeded, 1 failed, 1 unfinished>"


def test_items_are_equal_when_their_errors_say_the_same():
    again = ChildContextError("no", error_type="ValueError", data='{"a":1}')
    other = ChildContextError("no", error_type="KeyError", data='{"a":1}')
    assert BatchItem(1, "b", "FAILED", error=again) == ITEMS[1]
    assert BatchItem(1, "b", "FAILED", error=other) != ITEMS[1]
    assert ITEMS[0] != 10


def test_names_are_given_by_index_and_what_has_none_has_none():
    assert [item.name for item in RESULT.named(["w", None, "y"])] == ["w", None, "y", None]


# -- as it is recorded -------------------------------------------------------------------------------------------


def test_the_recorded_shape_is_that_of_the_wire():
    error = {"ErrorMessage": "no", "ErrorType": "ValueError", "ErrorData": '{"a":1}'}
    assert to_mapping(RESULT) == {
        "all": [
            {"index": 0, "status": "SUCCEEDED", "result": 10, "error": None},
            {"index": 1, "status": "FAILED", "result": None, "error": error},
            {"index": 2, "status": "STARTED", "result": None, "error": None},
            {"index": 3, "status": "SUCCEEDED", "result": None, "error": None},
        ],
        "completionReason": "MIN_SUCCESSFUL_REACHED",
    }
    assert from_mapping(to_mapping(RESULT)).named(list("abcd")) == RESULT


def test_an_error_that_is_no_operation_s_keeps_its_class_s_name():
    (item,) = from_mapping(to_mapping(BatchResult((BatchItem(0, None, "FAILED", error=SerDesError("x")),), "R")))
    assert (type(item.error), str(item.error)) == (SerDesError, "x")


@pytest.mark.parametrize(
    "data", [{}, {"all": 1}, {"all": [{}]}, {"all": [{"index": 0, "status": "LOST"}], "completionReason": "R"}]
)
def test_another_shape_is_an_error(data):
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_mapping(data)


# -- what rebuilding needs ---------------------------------------------------------------------------------------


def results(statuses):
    return BatchResult(tuple(BatchItem(n, None, status) for n, status in enumerate(statuses)), "ALL_COMPLETED")


STATUSES = st.lists(st.sampled_from(["SUCCEEDED", "FAILED", "STARTED"]), max_size=20)


@given(STATUSES)
def test_what_is_written_is_read_again_and_lists_the_shorter_half(statuses):
    result = results(statuses)
    text = Compact.text_of(result, "Map")
    open_ones = frozenset(item.index for item in result.started)
    assert Compact.read(text, len(statuses)) == Compact(len(statuses), open_ones, "ALL_COMPLETED")
    listed = json.loads(text)
    assert ("startedIndexes" in listed) is (2 * len(open_ones) <= len(statuses))
    assert ("startedIndexes" in listed) is not ("completedIndexes" in listed)


@given(STATUSES, st.sampled_from(["Map", "Parallel"]), st.none() | st.text())
def test_the_official_sdk_writes_the_same_and_reads_ours(statuses, kind, summary):
    models = pytest.importorskip("aws_durable_execution_sdk_python.concurrency.models")
    theirs = models.BatchResult(
        [models.BatchItem(n, models.BatchItemStatus(status)) for n, status in enumerate(statuses)],
        models.CompletionReason.ALL_COMPLETED,
    )
    ours = Compact.text_of(results(statuses), kind, summary)
    assert ours == models.CompletionRecord.summary_envelope(theirs, f"{kind}Result", summary)
    read = models.CompletionRecord.from_summary_payload(ours)
    assert (read.started_total, read.started_indexes) == (
        len(statuses),
        frozenset(n for n, status in enumerate(statuses) if status == "STARTED"),
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 6) | st.just(10**15) | st.just(math.nan) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "totalCount": ANYTHING,
        "completionReason": ANYTHING | st.just("ALL_COMPLETED"),
        "startedIndexes": ANYTHING | st.lists(st.integers(-1, 5)),
        "completedIndexes": ANYTHING | st.lists(st.integers(-1, 5)),
    },
)


@given((NEARLY | ANYTHING).map(json.dumps) | st.text() | st.none() | st.just("[" * 100_000))
def test_whatever_stands_there_reading_never_raises_and_promises_only_what_there_can_be(text):
    found = Compact.read(text, 5)
    if found is not None:
        assert type(found.total) is int
        assert 0 <= found.total <= 5
        assert found.cut_off <= frozenset(range(found.total))
        assert isinstance(found.reason, str)


def test_more_branches_than_there_are_inputs_are_no_result_of_theirs():
    text = Compact.text_of(results(["SUCCEEDED"] * 3), "Map")
    assert Compact.read(text, 2) is None
    assert Compact.read(text, 4) == Compact(3, frozenset(), "ALL_COMPLETED")
