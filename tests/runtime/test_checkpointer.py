from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment, SystemClock, SystemThreads
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable._service.clock import VirtualClock
from powertools_durable.errors import BackendError, SuspendExecution
from powertools_durable.scope import SCOPE, ScopeInfo, current_scope
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.seeded_threads import SeededThreads
from tests.kit import S, engine, step_record
from tests.leaks import started_threads

START, SUCCEED = OperationAction.START, OperationAction.SUCCEED


class QuickClock(SystemClock):
    """Real time, but nobody sleeps; what was slept is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return super().monotonic() + self.passed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def passes(self, seconds: float) -> None:
        """Let a call take so long."""
        self.passed += seconds


@dataclass
class ScriptedService:
    """Answers each call by the next line of a script; afterwards as a service that is well."""

    script: list[Any] = field(default_factory=list)
    call_timeout: float | None = None
    calls: list[tuple[str, list[str], str]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    scopes: list[object] = field(default_factory=list)
    on_call: Callable[[], None] = lambda: None
    pages: dict[str, StatePage] = field(default_factory=dict)

    def checkpoint(self, arn, checkpoint_token, updates, client_token):
        self.calls.append((checkpoint_token, [f"{u.action.value} {u.id}" for u in updates], client_token))
        self.on_call()
        self.threads.append(threading.current_thread())
        self.scopes.append(current_scope())
        line = self.script.pop(0) if self.script else None
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, Callable):
            return line()
        return line or CheckpointResponse(checkpoint_token=f"t{len(self.calls)}")

    def get_execution_state(self, arn, checkpoint_token, marker, max_items):
        self.calls.append((checkpoint_token, [f"page {marker}"], ""))
        return self.pages[marker]


class Remaining:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> float:
        return self.seconds * 1000


class NoThreads(SystemThreads):
    """The sandbox has no more."""

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        raise RuntimeError


class Bench:
    def __init__(
        self,
        *script: Any,
        seconds: float = 60,
        call_timeout: float | None = None,
        threads: SystemThreads | None = None,
    ) -> None:
        self.service = ScriptedService(list(script), call_timeout)
        self.clock = QuickClock()
        environment = Environment(self.clock, Random(0), threads=threads or SystemThreads())
        self.engine = engine()
        self.frame = Frame(self.engine)
        deadline = Deadline(Remaining(seconds), self.clock)
        self.checkpointer = Checkpointer(self.engine, self.service, deadline, environment)

    def send(self, *names: str) -> None:
        for name in names[:-1]:
            self.checkpointer.submit(self.frame, update(name), wait=False)
        self.checkpointer.checkpoint(self.frame, update(names[-1]))


@contextmanager
def virtual(service: ScriptedService) -> Iterator[Any]:
    """Give a checkpointer whose threads take turns in virtual time."""
    clock = VirtualClock()
    threads = SeededThreads(clock, RandomSchedule("0"))
    sut = engine()
    with threads.taking_part():
        environment = Environment(clock, Random(0), threads=threads)
        checkpointer = Checkpointer(sut, service, Deadline(Remaining(60), clock), environment)
        yield SimpleNamespace(
            clock=clock,
            threads=threads,
            service=service,
            frame=Frame(sut),
            checkpointer=checkpointer,
            began=clock.monotonic(),
        )


@pytest.fixture
def made():
    benches: list[Bench] = []

    def make(*script: Any, **options: Any) -> Bench:
        benches.append(Bench(*script, **options))
        return benches[-1]

    yield make
    for each in benches:
        each.checkpointer.close()
    # That no thread is left is seen to by tests/conftest.py, which is more patient than a deadline of 1 ms.


def update(text: str) -> OperationUpdate:
    action, _, identifier = text.rpartition(" ")
    return OperationUpdate(id=identifier, type=OperationType.STEP, action=OperationAction(action or "START"))


def error(**kind: bool) -> BackendError:
    return BackendError("the service is unwell", **{"retryable": True, **kind})


def test_no_update_no_thread(made):
    quiet = made()
    with started_threads() as started:
        quiet.checkpointer.flush(quiet.frame)
    assert started.names == []
    assert quiet.service.calls == []


def test_an_update_that_nobody_waits_for_travels_with_the_next_that_somebody_does(made):
    b = made()
    b.send("START a", "SUCCEED a")
    assert [updates for _, updates, _ in b.service.calls] == [["START a", "SUCCEED a"]]


def test_an_update_alone_is_sent_after_a_while(made):
    sent = threading.Event()

    def answer():
        sent.set()
        return CheckpointResponse(checkpoint_token="t1")

    b = made(answer)
    b.checkpointer.submit(b.frame, update("START a"), wait=False)
    assert sent.wait(60)


def test_tokens_follow_one_another(made):
    b = made()
    for name in "abc":
        b.send(f"START {name}")
    assert [token for token, _, _ in b.service.calls] == ["t0", "t1", "t2"]
    assert b.engine.token == "t3"


def test_what_queues_while_a_call_is_under_way_is_the_next_call(made):
    reached, go = threading.Event(), threading.Event()

    def slow():
        reached.set()
        assert go.wait(60)
        return CheckpointResponse(checkpoint_token="t1")

    b = made(slow)
    first = b.checkpointer.submit(b.frame, update("START a"), wait=True)
    assert reached.wait(60)
    others = [b.checkpointer.submit(b.frame, update(f"START {name}"), wait=True) for name in "bcd"]
    go.set()
    for waiter in [first, *others]:
        b.checkpointer.await_(waiter)
    assert [updates for _, updates, _ in b.service.calls] == [["START a"], ["START b", "START c", "START d"]]


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_row_12_to_17_a_passing_fault_is_met_by_the_same_call_again(made, failures):
    b = made(*[error() for _ in range(failures)])
    b.send("START a")
    tokens = {(token, client) for token, _, client in b.service.calls}
    assert len(b.service.calls) == failures + 1
    assert len(tokens) == 1  # same checkpoint token, same client token: applied once
    assert len(b.clock.slept) == failures
    assert all(0 <= pause <= 2 for pause in b.clock.slept)


def test_row_26_a_lasting_outage_is_given_up_and_stays_retryable(made):
    b = made(*[error() for _ in range(20)])
    with pytest.raises(CheckpointingStopped) as caught:
        b.send("START a")
    assert len(b.service.calls) == 4
    assert caught.value.reason.retryable


def test_row_14_nobody_waits_longer_than_the_invocation_lasts(made):
    b = made(error(), error(), seconds=0.001)
    with pytest.raises(CheckpointingStopped) as caught:
        b.send("START a")
    assert caught.value.reason.retryable


@pytest.mark.parametrize(
    "kind", [{"retryable": False}, {"retryable": True, "stale_token": True}], ids=["row 19 to 21", "row 22"]
)
def test_what_cannot_heal_is_not_sent_again_and_no_call_follows(made, kind):
    b = made(error(**kind))
    with pytest.raises(CheckpointingStopped):
        b.send("START a")
    with pytest.raises(CheckpointingStopped):
        b.send("START b")
    assert len(b.service.calls) == 1


def test_a_failed_call_fails_everybody_who_waits(made):
    reached, go = threading.Event(), threading.Event()

    def dies():
        reached.set()
        assert go.wait(60)
        raise error(retryable=False)

    b = made(dies)
    waiters = [b.checkpointer.submit(b.frame, update("START a"), wait=True)]
    assert reached.wait(60)
    waiters.append(b.checkpointer.submit(b.frame, update("START b"), wait=True))
    go.set()
    for waiter in waiters:
        with pytest.raises(CheckpointingStopped):
            b.checkpointer.await_(waiter)


@pytest.mark.parametrize(
    "death", [KeyError("bug"), KeyboardInterrupt(), SystemExit(1), MemoryError()], ids=lambda e: type(e).__name__
)
def test_row_29_whatever_kills_the_sender_nobody_waits_for_it(made, death):
    b = made(death)
    with pytest.raises(CheckpointingStopped) as caught:
        b.send("START a")
    assert caught.value.reason is death


@pytest.mark.parametrize("death", [KeyError("bug"), MemoryError()], ids=lambda e: type(e).__name__)
def test_row_29_an_error_of_a_call_stops_all_checkpointing(made, death):
    b = made(death)
    with pytest.raises(CheckpointingStopped):
        b.send("START a", "SUCCEED a")
    with pytest.raises(CheckpointingStopped) as caught:  # it may be lost, and what comes after it builds on it
        b.send("START b")
    assert caught.value.reason is death
    assert len(b.service.calls) == 1


def test_row_59_the_lock_is_taken_in_one_move():
    """Ctrl-C in a method of Python's that has just taken it leaves it taken, and `close` would wait for ever."""
    assert isinstance(SystemThreads().lock(), type(threading.Lock()))


def test_row_59_ctrl_c_while_the_sender_starts_starts_no_second_one(made):
    class Interrupted(SystemThreads):
        def spawn(self, run, name):
            super().spawn(run, name)
            raise KeyboardInterrupt

    b = made(threads=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        b.send("START a")
    with pytest.raises(CheckpointingStopped) as caught:
        b.send("START b")
    assert isinstance(caught.value.reason, KeyboardInterrupt)
    assert b.service.calls == []


@pytest.mark.parametrize(("wait", "ends"), [(False, 1), (True, 30)], ids=["ctrl-C", "else"])
def test_row_59_after_ctrl_c_nobody_waits_for_a_call_in_flight(wait, ends):
    with virtual(ScriptedService()) as b:
        b.service.on_call = lambda: b.threads.sleep(30)
        b.checkpointer.submit(b.frame, update("START a"), wait=True)
        b.threads.sleep(1)
        b.checkpointer.close(wait=wait)
        assert b.clock.monotonic() - b.began == pytest.approx(ends, abs=0.01)


def test_row_24_without_a_token_everybody_is_suspended_and_no_call_follows(made):
    b = made(CheckpointResponse())
    with pytest.raises(SuspendExecution):
        b.send("START a")
    with pytest.raises(SuspendExecution):
        b.send("START b")
    assert b.engine.revoked
    assert len(b.service.calls) == 1


def test_row_10_a_call_that_does_not_come_back_is_left_before_the_invocation_ends(made):
    stuck = threading.Event()
    b = made(lambda: stuck.wait(60) and CheckpointResponse(checkpoint_token="t1"), seconds=0.2)
    with pytest.raises(CheckpointingStopped) as caught:
        b.send("START a")
    assert caught.value.reason.retryable
    stuck.set()


@pytest.mark.parametrize("call_timeout", [None, 10])
def test_row_10_all_calls_are_made_by_one_thread_outside_of_every_scope(made, call_timeout):
    """It can be left behind with a call that hangs, whatever the backend says of how long one takes."""
    answer = CheckpointResponse(checkpoint_token="t1", new_execution_state=StatePage(operations=(), next_marker="m"))
    b = made(answer, call_timeout=call_timeout)
    b.service.pages = {"m": StatePage(operations=(), next_marker="")}
    token = SCOPE.set(ScopeInfo(execution_arn="arn", execution_name="name"))
    try:
        with started_threads() as started:
            b.send("START a")
            b.send("START b", "SUCCEED b")
    finally:
        SCOPE.reset(token)
    assert started.names == ["powertools-durable-checkpointer"]
    assert {thread.name for thread in b.service.threads} == set(started.names)
    assert [scope for scope in b.service.scopes if scope is not None] == []


@pytest.mark.parametrize("meanwhile", [0.2, 0.9], ids=["just now", "for a while"])
def test_what_nobody_waits_for_lingers_for_a_second_from_when_it_was_queued(meanwhile):
    sent = []
    with virtual(ScriptedService()) as b:
        b.service.on_call = lambda: sent.append(b.clock.monotonic())
        b.checkpointer.checkpoint(b.frame, update("START a"))
        b.threads.sleep(meanwhile)  # the sender sleeps since then
        queued = b.clock.monotonic()
        b.checkpointer.submit(b.frame, update("START b"), wait=False)
        b.threads.sleep(3)
        b.checkpointer.close()
    assert [updates for _, updates, _ in b.service.calls] == [["START a"], ["START b"]]
    assert sent[1] - queued == pytest.approx(1.0, abs=0.01)


def test_who_waits_for_more_than_a_request_holds_gets_all_of_it(made):
    b = made()
    for n in range(600):
        b.checkpointer.submit(b.frame, update(f"START op-{n}"), wait=False, deferred=True)
    b.checkpointer.flush(b.frame)
    assert sum(len(updates) for _, updates, _ in b.service.calls) == 600


def test_without_a_thread_for_the_sender_the_invocation_is_tried_again(made):
    b = made(threads=NoThreads())
    for _ in range(2):
        with pytest.raises(CheckpointingStopped) as caught:
            b.send("START a")
        assert caught.value.reason.retryable
    assert b.service.calls == []


def test_pages_of_an_answer_are_read_with_the_new_token(made):
    page = StatePage(operations=(step_record(S.SUCCEEDED, id="x"),), next_marker="m2")
    b = made(CheckpointResponse(checkpoint_token="t1", new_execution_state=StatePage(operations=(), next_marker="m1")))
    b.service.pages = {"m1": page, "m2": StatePage(operations=(step_record(S.SUCCEEDED, id="y"),), next_marker="")}
    b.send("START a")
    assert b.service.calls[1:] == [("t1", ["page m1"], ""), ("t1", ["page m2"], "")]
    assert b.engine.check_result("x")
    assert b.engine.check_result("y")


def test_row_40_a_marker_that_comes_again_is_an_error(made):
    b = made(CheckpointResponse(checkpoint_token="t1", new_execution_state=StatePage(operations=(), next_marker="m")))
    b.service.pages = {"m": StatePage(operations=(), next_marker="m")}
    with pytest.raises(CheckpointingStopped, match="BackendError"):
        b.send("START a")


def test_nothing_below_a_finished_context_is_queued(made):
    b = made()
    inside = Frame(b.engine, parent=b.frame, context_id="c")
    b.checkpointer.await_(b.checkpointer.submit(b.frame, update("SUCCEED c"), wait=True, closes=inside))
    with pytest.raises(BranchOrphaned):
        b.checkpointer.submit(inside, update("START late"), wait=False)
    assert len(b.service.calls) == 1


def test_after_the_end_nothing_is_sent(made):
    b = made()
    b.send("START a")
    b.checkpointer.close()
    with pytest.raises(SuspendExecution):
        b.send("START b")


def test_batch_mode_holds_updates_back_until_flushed(made):
    b = made()
    for n in range(100):
        for action in ("START", "SUCCEED"):
            b.checkpointer.submit(b.frame, update(f"{action} op-{n}"), wait=False, deferred=True)
    assert b.engine.deferred == 200
    assert b.service.calls == []
    b.checkpointer.flush(b.frame)
    assert b.engine.deferred == 0
    assert len(b.service.calls) == 1


def test_each_request_has_a_client_token_of_its_own(made):
    b = made()
    for name in ("START a", "START b", "START c"):
        b.send(name)
    tokens = [client_token for _, _, client_token in b.service.calls]
    assert len(set(tokens)) == len(tokens) == 3
    assert all(1 <= len(token) <= 64 and token.isascii() for token in tokens)
