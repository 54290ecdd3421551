"""Which records a handler is shown, and in which pages.

See docs/contributing/protocol.md#invocation-input, #loading-all-pages.
"""

from __future__ import annotations

from itertools import chain

import pytest

from powertools_durable._protocol.update import ContextOptions
from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import A, Bench, T, update


def started(count, **limits):
    """An execution whose second invocation finds *count* steps."""
    bench = Bench(**limits)
    bench.send(*(update(T.STEP, A.START, f"s{n}") for n in range(count)))
    return bench


def pages(bench, event, max_items=0):
    state = event["InitialExecutionState"]
    found = [[record["Id"] for record in state["Operations"]]]
    marker = state["NextMarker"]
    while marker:
        page = bench.execution.state_page(bench.token, marker, max_items)
        found.append([record.id for record in page.operations])
        marker = page.next_marker
    return found


def ids(count):
    return ["0a1b", *(f"s{n}" for n in range(count))]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 100])
def test_pages_follow_one_another_without_gap_or_repetition(size):
    bench = started(6, page_items=size)
    found = pages(bench, bench.invoke())
    assert list(chain.from_iterable(found)) == ids(6)
    assert all(len(page) == size for page in found[:-1])
    assert found[-1]


def test_the_first_page_of_an_event_has_a_thousand_records():
    bench = Bench()
    for start in range(0, 1001, 250):
        bench.send(*(update(T.STEP, A.START, f"s{n}") for n in range(start, min(start + 250, 1001))))
    assert [len(page) for page in pages(bench, bench.invoke(), 1000)] == [1000, 2]


@pytest.mark.parametrize(("asked", "given"), [(0, 100), (1, 1), (150, 150), (1000, 201)])
def test_a_page_has_as_many_records_as_were_asked_for_and_100_by_default(asked, given):
    bench = started(200, page_items=201)
    event = bench.invoke()
    assert event["InitialExecutionState"]["NextMarker"] == ""
    page = bench.execution.state_page(bench.token, "", asked)
    assert len(page.operations) == given


def test_a_page_has_no_more_records_than_the_service_gives():
    bench = started(5, page_items=2)
    assert len(bench.execution.state_page(bench.token, "", 1000).operations) == 2


def test_a_page_holds_5_mib_but_one_record_at_least():
    bench = Bench(max_payload_bytes=6 * 1024 * 1024)
    for key, mib in (("a", 2), ("b", 2), ("c", 6), ("d", 1)):
        bench.send(update(T.STEP, A.START, key))
        bench.send(update(T.STEP, A.SUCCEED, key, payload="x" * (mib * 1024 * 1024)))
    assert pages(bench, bench.invoke()) == [["0a1b", "a", "b"], ["c"], ["d"]]


# -- markers ------------------------------------------------------------------------------------------------------


def test_a_marker_is_good_for_its_token_only():
    bench = started(4, page_items=2)
    marker = bench.invoke()["InitialExecutionState"]["NextMarker"]
    bench.execution.state_page(bench.token, marker, 0)
    bench.send()
    with pytest.raises(ServiceRefusal) as caught:
        bench.execution.state_page(bench.token, marker, 0)
    assert (str(caught.value), caught.value.code) == ("Invalid marker", "InvalidParameterValueException")


@pytest.mark.parametrize("position", ["", "-1", "6", "1.5", "\u00b2", "9" * 5000, "x"])
def test_a_marker_that_was_never_given_out_is_refused(position):
    bench = started(4)
    with pytest.raises(ServiceRefusal, match="^Invalid marker$"):
        bench.execution.state_page(bench.token, f"{bench.token[:8]}:{position}", 0)


# -- what is shown ------------------------------------------------------------------------------------------------


def shown(bench):
    return {record["Id"] for record in bench.invoke()["InitialExecutionState"]["Operations"]} - {"0a1b"}


def nested(end=None):
    """A step in a context in a context; the outer one ended with *end*."""
    bench = Bench()
    bench.send(
        update(T.CONTEXT, A.START, "outer"),
        update(T.CONTEXT, A.START, "inner", parent_id="outer"),
        update(T.STEP, A.START, "deep", parent_id="inner"),
        update(T.STEP, A.START, "beside"),
    )
    if end is not None:
        bench.send(end)
    return bench


def test_what_is_below_an_open_context_is_shown():
    assert shown(nested()) == {"outer", "inner", "deep", "beside"}


@pytest.mark.parametrize(
    "end",
    [
        update(T.CONTEXT, A.SUCCEED, "outer"),
        update(T.CONTEXT, A.SUCCEED, "outer", context_options=ContextOptions(replay_children=False)),
        update(T.CONTEXT, A.FAIL, "outer"),
    ],
)
def test_what_is_below_an_ended_context_is_not_shown_however_deep(end):
    assert shown(nested(end)) == {"outer", "beside"}


def test_what_is_below_a_context_to_rebuild_is_shown():
    end = update(T.CONTEXT, A.SUCCEED, "outer", context_options=ContextOptions(replay_children=True))
    assert shown(nested(end)) == {"outer", "inner", "deep", "beside"}


def test_what_is_not_shown_takes_no_place_on_a_page():
    bench = Bench(page_items=3)
    bench.send(update(T.CONTEXT, A.START, "c"), *(update(T.STEP, A.START, f"x{n}", parent_id="c") for n in range(5)))
    bench.send(update(T.CONTEXT, A.SUCCEED, "c"), update(T.STEP, A.START, "y"), update(T.STEP, A.START, "z"))
    assert pages(bench, bench.invoke()) == [["0a1b", "c", "y"], ["z"]]


def test_the_event_is_as_lambda_hands_it_over():
    bench = Bench(payload='{"order": 42}')
    bench.send(update(T.STEP, A.START, "s", name="pay", sub_type="Step"))
    event = bench.invoke()
    noon = 1767268800000
    assert event == {
        "DurableExecutionArn": bench.execution.header.arn,
        "CheckpointToken": bench.token,
        "InitialExecutionState": {
            "Operations": [
                {
                    "Id": "0a1b",
                    "Type": "EXECUTION",
                    "Status": "STARTED",
                    "Name": "order-42",
                    "StartTimestamp": noon,
                    "ExecutionDetails": {"InputPayload": '{"order": 42}'},
                },
                {
                    "Id": "s",
                    "Type": "STEP",
                    "Status": "STARTED",
                    "Name": "pay",
                    "SubType": "Step",
                    "StartTimestamp": noon,
                    "StepDetails": {"Attempt": 0},
                },
            ],
            "NextMarker": "",
        },
        "UpdatedOperationIds": [],
    }
