"""The service around the executions it keeps: invoking, answering, keeping."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta

import pytest

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable._service.host import Host, Killed
from powertools_durable._service.storage import MemoryStore
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable.parser.stored import Stored
from tests.service.bench import ARN, NOON, A, Bench, Counted, S, T, bring, callback, update, wait

PENDING = {"Status": "PENDING"}


class Shelf(MemoryStore):
    """A store that says what it was asked, and keeps text: what was not saved is lost."""

    header, record = Stored(Header), Stored(Operation)

    def __init__(self):
        super().__init__()
        self.calls = []
        self.kept = {}

    @contextmanager
    def transaction(self):
        self.calls.append("begin")
        yield
        self.calls.append("commit")

    def save(self, execution):
        self.calls.append("save")
        _, records, events = self.kept.setdefault(execution.header.arn, ["", {}, []])
        records |= {key: self.record.write(record) for key, record in execution.changed.items()}
        self.kept[execution.header.arn] = [self.header.write(execution.header), records, events + execution.events]

    def load(self, arn):
        if arn not in self.kept:
            return None
        header, records, events = self.kept[arn]
        read = {key: self.record.read(text) for key, text in records.items()}
        return ServiceExecution(self.header.read(header), read, Counted(), history=events)


@pytest.fixture
def clock():
    return VirtualClock(NOON)


@pytest.fixture
def host(clock):
    host = Host(MemoryStore(), clock, Counted(), invocation_timeout=60)
    host.start(ARN, "order-42", "{}")
    return host


def sends(host, *updates):
    """A handler that checkpoints and suspends."""

    def handler(event, context):
        response = host.checkpoint(event["DurableExecutionArn"], event["CheckpointToken"], updates, "c")
        return PENDING if response.checkpoint_token else {"Status": "SUCCEEDED", "Result": ""}

    return handler


# -- invoking -----------------------------------------------------------------------------------------------------


def test_a_handler_gets_what_lambda_hands_over(host, clock):
    seen = []

    def handler(event, context):
        clock.sleep(1.5)
        seen.append((event["DurableExecutionArn"], context, context.get_remaining_time_in_millis()))
        clock.sleep(100)
        seen.append(context.get_remaining_time_in_millis())
        return {"Status": "SUCCEEDED", "Result": "1"}

    invocation = host.invoke(ARN, handler)
    (arn, context, left), over = seen
    assert (arn, left, over) == (ARN, 58_500, 0)
    assert (context.function_name, context.function_version) == ("orders", "7")
    assert context.invoked_function_arn == "arn:aws:lambda:eu-west-1:123456789012:function:orders:7"
    assert context.aws_request_id == invocation.request_id == "order-42-1"
    assert invocation.answer == {"Status": "SUCCEEDED", "Result": "1"}
    completed = host.history(ARN)[1]["InvocationCompletedDetails"]
    assert completed["RequestId"] == "order-42-1"
    assert completed["EndTimestamp"] - completed["StartTimestamp"] == 101_500


@pytest.mark.parametrize(
    ("problem", "kind"),
    [(ValueError("oops"), "ValueError"), (SystemExit(1), "SystemExit"), (Killed(), "Runtime.ExitError")],
)
def test_an_invocation_that_raises_is_repeated_later(host, clock, problem, kind):
    def handler(event, context):
        raise problem

    invocation = host.invoke(ARN, handler)
    assert invocation.answer.error_type == kind
    one = host.execution(ARN)
    assert not one.wants_invocation(clock.now())
    clock.sleep(5)
    assert one.wants_invocation(clock.now())


def test_a_developer_who_interrupts_may_go_on_at_once(host, clock):
    def handler(event, context):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.invoke(ARN, handler)
    assert host.execution(ARN).wants_invocation(clock.now())
    assert host.execution(ARN).header.failed_invocations == 0


def test_a_timer_that_came_due_while_the_handler_ran_counts_before_its_answer(host, clock):
    def handler(event, context):
        host.checkpoint(ARN, event["CheckpointToken"], [wait("w", 10)], "c")
        clock.sleep(10)
        return PENDING

    host.invoke(ARN, handler)
    assert [event["EventType"] for event in host.history(ARN)][-2:] == ["WaitSucceeded", "InvocationCompleted"]
    assert host.execution(ARN).wants_invocation(clock.now())


# -- the two calls ------------------------------------------------------------------------------------------------


def test_both_calls_go_to_the_execution_of_their_arn(host):
    def handler(event, context):
        token = host.checkpoint(ARN, event["CheckpointToken"], [update(T.STEP, A.START)], "c").checkpoint_token
        page = host.get_execution_state(ARN, token, "", 1)
        rest = host.get_execution_state(ARN, token, page.next_marker, 1)
        assert [record.id for record in (*page.operations, *rest.operations)] == ["0a1b", "op"]
        return {"Status": "SUCCEEDED", "Result": "1"}

    host.invoke(ARN, handler)
    assert host.execution(ARN).header.status == "SUCCEEDED"


def test_an_unknown_execution_is_not_found(host):
    for call in (
        lambda: host.execution("nobody"),
        lambda: host.history("nobody"),
        lambda: host.checkpoint("nobody", "t", [], "c"),
        lambda: host.get_execution_state("nobody", "t", "", 0),
        lambda: host.invoke("nobody", lambda event, context: PENDING),
    ):
        with pytest.raises(ServiceRefusal) as caught:
            call()
        assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_comes_before_or_after_a_call_is_done(host, when):
    told = []

    def fault(call, moment):
        told.append((call, moment))
        if (call, moment) == ("checkpoint", when):
            raise ConnectionError

    host.on_call = fault
    host.invoke(ARN, sends(host, update(T.STEP, A.START)))
    assert ("op" in host.execution(ARN).operations) is (when == "after")
    assert told[-1] == ("checkpoint", when)


# -- keeping ------------------------------------------------------------------------------------------------------


def test_what_changed_is_saved_inside_of_a_transaction_before_anybody_is_told(clock):
    store = Shelf()
    host = Host(store, clock, Counted())
    host.start(ARN, "order-42", None)
    assert store.calls == ["begin", "save", "commit"]
    store.calls.clear()

    def handler(event, context):
        assert store.calls == ["begin", "save", "commit"]
        host.checkpoint(ARN, event["CheckpointToken"], [wait("w", 10)], "c")
        assert store.calls == ["begin", "save", "commit"] * 2
        return PENDING

    host.invoke(ARN, handler)
    assert store.calls == ["begin", "save", "commit"] * 3


def test_nothing_is_saved_of_a_call_that_is_refused(clock):
    store = Shelf()
    host = Host(store, clock, Counted())
    host.start(ARN, "order-42", None)
    before = list(store.kept[ARN])
    with pytest.raises(ServiceRefusal):
        host.checkpoint(ARN, "stale", [wait("w", 10)], "c")
    assert store.kept[ARN] == before
    assert store.calls[-1] == "begin"


def test_a_host_goes_on_with_what_another_has_kept(clock):
    store = Shelf()
    Host(store, clock, Counted()).start(ARN, "order-42", '{"a": 1}')
    for updates in ([wait("w", 10), callback("c", heartbeat=20)], [update(T.EXECUTION, A.SUCCEED, "e", payload="7")]):
        host = Host(store, clock, Counted())
        assert host.execution(ARN).wants_invocation(clock.now())
        host.invoke(ARN, sends(host, *updates))
        clock.sleep(10)
        with Host(store, clock, Counted()).changing(ARN) as execution:
            execution.advance(clock.now())
    one = store.load(ARN)
    assert (one.header.status, one.header.result, one.header.invocations) == ("SUCCEEDED", "7", 2)
    assert one.operations["w"].status is S.SUCCEEDED
    assert [event["EventId"] for event in one.history] == list(range(1, len(one.history) + 1))


def test_an_execution_written_down_and_read_back_is_the_same():
    bench = Bench()
    bring(bench, T.STEP, S.PENDING, "s")
    bench.send(callback("c", timeout=30, heartbeat=10), update(T.CONTEXT, A.START, "x"))
    bench.send(update(T.STEP, A.START, "y", parent_id="x"), update(T.CONTEXT, A.FAIL, "x"))
    bench.answer(PENDING)
    bench.wait(5)
    bench.execution.heartbeat("cb-1", bench.now)
    bench.execution.abandon_invocation(bench.now)
    one = bench.execution
    header = Shelf.header.read(Shelf.header.write(one.header))
    operations = {key: Shelf.record.read(Shelf.record.write(record)) for key, record in one.operations.items()}
    read = ServiceExecution(header, operations, Counted(), history=list(one.history))
    assert (read.header, read.operations, read.history) == (one.header, one.operations, one.history)
    for execution in (one, read):
        execution.advance(NOON + timedelta(seconds=15))
        assert execution.wants_invocation(NOON + timedelta(seconds=15))
    assert (read.header, read.operations) == (one.header, one.operations)


def test_what_is_saved_is_no_longer_new():
    bench = Bench()
    bench.execution.saved()
    bench.send(wait("w", 10))
    assert list(bench.execution.changed) == ["w"]
    assert [event["EventType"] for event in bench.execution.events] == ["WaitStarted"]
    bench.execution.saved()
    assert (bench.execution.changed, bench.execution.events) == ({}, [])
    assert len(bench.execution.history) == 2


def test_a_memory_store_keeps_executions_in_the_order_of_their_start(clock):
    store = MemoryStore()
    host = Host(store, clock, Counted())
    for name in "cab":
        host.start(f"{ARN}{name}", name, None)
    host.invoke(f"{ARN}a", lambda event, context: {"Status": "FAILED"})
    assert [arn[-1] for arn in store] == ["c", "a", "b"]
    assert store.load(ARN) is None
    assert asdict(store.load(f"{ARN}a").header)["status"] == "FAILED"
