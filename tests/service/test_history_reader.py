"""A history read back is the records it was told of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import Completion, Nesting, Polling, Retry, current_step, durable
from powertools_durable._protocol.operation import OperationStatus, OperationType
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._service.history_reader import UnreadableHistory, rebuild_execution
from powertools_durable.testing import Simulator
from tests.service.bench import OOPS, A, Bench, S, T, retry, update, wait
from tests.service.model import KINDS, NEXT

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def without_flags(record):
    """No event says whether a result was too large for its record."""
    if record.context_details is None:
        return record
    return replace(record, context_details=replace(record.context_details, replay_children=False))


def records(execution):
    return {
        key: without_flags(record)
        for key, record in execution.operations.items()
        if record.type is not OperationType.EXECUTION
    }


def read_back(bench):
    return rebuild_execution(bench.execution.history)


def test_every_status_of_every_kind_comes_back():
    bench = Bench(payload='{"order": 42}')
    step = {"name": "charge", "sub_type": "Step", "parent_id": "c"}
    bench.send(update(T.CONTEXT, A.START, "c", name="prepare", sub_type="RunInChildContext"))
    bench.send(update(T.STEP, A.START, "s", **step), wait("w", 10))
    assert read_back(bench).operations == records(bench.execution)
    bench.send(retry("s", 4, error=OOPS, **step))
    assert read_back(bench).operations["s"].status is S.PENDING
    assert read_back(bench).operations == records(bench.execution)
    bench.answer({"Status": "PENDING"})
    bench.wait(4)
    bench.invoke()
    bench.send(update(T.STEP, A.START, "s", **step))
    assert read_back(bench).operations == records(bench.execution)
    bench.send(update(T.STEP, A.FAIL, "s", error=OOPS, **step))
    bench.send(update(T.CONTEXT, A.SUCCEED, "c", name="prepare", sub_type="RunInChildContext", payload="1"))
    found = read_back(bench)
    assert found.operations == records(bench.execution)
    assert found.execution == next(iter(bench.execution.operations.values()))
    assert found.status == "RUNNING"
    assert list(found.order) == ["c", "s", "w"]
    bench.answer({"Status": "SUCCEEDED", "Result": "7"})
    assert read_back(bench).status == "SUCCEEDED"


@durable
def everything(event, ctx):
    def flaky():
        if current_step().attempt == 1:
            message = "not yet"
            raise OSError(message)

    ctx.step(flaky, retry=Retry.fixed(5))
    ctx.wait(3, name="pause")
    answer = ctx.create_callback(name="answer", timeout=60)
    ctx.map(lambda child, item: child.step(lambda: item, name="double"), [1, 2, 3], name="all")
    ctx.parallel(
        {"a": lambda child: child.step(lambda: 1, name="in-a"), "b": lambda child: child.wait(500)},
        name="race",
        completion=Completion.first_successful(),
        nesting=Nesting.FLAT,
    )
    ctx.wait_for_condition(lambda n: n + 1, initial=0, polling=Polling(lambda n: n >= 2, initial_delay=2), name="poll")
    ctx.invoke("pay", {"n": 1}, name="pay", tenant_id="t-1")
    answer.result()


@pytest.mark.parametrize("seconds", [0, 1, 3, 6, 9, 30, 61])
def test_an_execution_is_read_back_at_any_moment(seconds):
    run = Simulator(everything, functions={"pay": lambda event: event}).start(None)
    if seconds:
        run.advance(seconds)
    found = rebuild_execution(run.history())
    assert found.operations == {record.id: without_flags(record) for record in run.operations}
    assert list(found.operations) == [record.id for record in run.operations]


def test_what_was_invoked_is_known_though_no_record_holds_it():
    run = Simulator(everything, functions={"pay": lambda event: event}).start(None).finish()
    (target,) = rebuild_execution(run.history()).targets.values()
    assert (target.function_name, target.tenant_id) == ("pay", "t-1")


@given(st.data())
def test_whatever_happens_is_read_back(data):
    bench = Bench()
    for _ in range(data.draw(st.integers(1, 12))):
        key, kind = data.draw(st.sampled_from([*KINDS.items()]))
        record = bench.execution.operations.get(key)
        status = record.status if record else None
        can = [action for action, (statuses, _) in NEXT.get(kind, {}).items() if status in statuses]
        if not can or kind is T.EXECUTION:
            bench.wait(data.draw(st.integers(1, 5)))
            bench.execution.advance(bench.now)
            continue
        action = data.draw(st.sampled_from(can))
        bench.send(_made(key, kind, action))
    found = rebuild_execution(bench.execution.history).operations
    for key, record in records(bench.execution).items():
        if record.status is OperationStatus.READY:  # no event tells that a delay is over
            due = found[key].step_details.next_attempt_timestamp
            assert found[key].status is OperationStatus.PENDING
            assert due is not None
            assert due <= bench.now
        else:
            assert found[key] == record


def _made(key, kind, action):
    match kind, action:
        case T.WAIT, A.START:
            return wait(key, 3)
        case T.STEP, A.RETRY:
            return retry(key, 2, error=OOPS)
        case T.CHAINED_INVOKE, A.START:
            return update(kind, action, key, chained_invoke_options=ChainedInvokeOptions(function_name="pay"))
        case _, A.FAIL:
            return update(kind, action, key, error=OOPS)
        case _, A.SUCCEED:
            return update(kind, action, key, payload="1")
        case _:
            return update(kind, action, key)


# -- as others write it --------------------------------------------------------------------------------------------

STARTED = {
    "EventType": "ExecutionStarted",
    "EventId": 1,
    "EventTimestamp": NOON,
    "Id": "0a1b",
    "Name": "order-42",
    "ExecutionStartedDetails": {"Input": {"Payload": "{}"}, "ExecutionTimeout": 60},
}
CHARGE = {"Id": "s", "Name": "charge", "SubType": "Step"}


def succeeded(**details):
    return {
        "EventType": "StepSucceeded",
        "EventId": 2,
        "EventTimestamp": NOON + timedelta(seconds=1),
        **CHARGE,
        "StepSucceededDetails": {"Result": {"Payload": "7"}, "RetryDetails": {"CurrentAttempt": 1}} | details,
    }


@pytest.mark.parametrize(
    "moment", [NOON, NOON.isoformat(), "2026-01-01T12:00:00Z", NOON.timestamp(), int(NOON.timestamp() * 1000)]
)
def test_moments_are_read_in_every_form(moment):
    found = rebuild_execution([STARTED | {"EventTimestamp": moment}])
    assert found.execution.start_timestamp == NOON


def test_the_newest_may_come_first():
    found = rebuild_execution([succeeded(), STARTED])
    assert found.operations["s"].result == "7"


def test_a_start_may_be_missing_and_unknown_events_are_passed_over():
    future = {"EventType": "StepDreamt", "EventId": 3, "EventTimestamp": NOON, "Id": "s"}
    found = rebuild_execution([STARTED, succeeded(), future])
    assert found.operations["s"].status is S.SUCCEEDED
    assert found.operations["s"].attempts == 1


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "begins with ExecutionStarted"),
        ([succeeded()], "begins with ExecutionStarted"),
        ([STARTED, {**succeeded(), "EventId": 4}], "event 2 is missing"),
        ([STARTED, {"Id": "s"}], "no EventType"),
        (["ExecutionStarted"], "no EventType"),
        ([STARTED, {**succeeded(), "Id": None}], "has no Id"),
        ([STARTED | {"EventTimestamp": "yesterday"}], "not ISO 8601"),
        ([STARTED, succeeded(Result={"Payload": "canary", "Truncated": True})], "payloads of 'charge' are truncated"),
        (
            [STARTED | {"ExecutionStartedDetails": {"Input": {"Truncated": True}}}],
            "payloads of the execution's input are truncated",
        ),
        ([STARTED | {"ExecutionStartedDetails": {"Input": {}}}, succeeded(Result={})], "has no payloads"),
        ([STARTED | {"ExecutionStartedDetails": {}}, succeeded(Result={"Truncated": False})], "IncludeExecutionData"),
    ],
)
def test_what_is_no_whole_history_is_refused_with_words(events, words):
    with pytest.raises(UnreadableHistory) as refused:
        rebuild_execution(events)
    assert words in str(refused.value)
    assert "canary" not in str(refused.value)
