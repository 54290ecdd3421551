"""A driver of forty lines performs every composite call: no thread, no lock, no checkpointer, no service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from powertools_durable import CompensationError, DurableContext, Retry
from powertools_durable._protocol.lifecycle import apply
from powertools_durable._protocol.operation import CallbackDetails, OperationStatus, OperationType
from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Composite,
    Enter,
    Flush,
    Outcome,
    Perform,
    Raised,
    Returned,
    Run,
    Suspend,
)
from powertools_durable._replay.frame import Frame
from tests.kit import NOON, engine

SUCCEEDED = OperationStatus.SUCCEEDED


class Straight:
    """Performs what flows ask for by calling it; what the service would wait for is over at once."""

    failures = None

    def __init__(self) -> None:
        self.engine = engine()
        self.updates: list[str] = []
        self.flushes = 0

    def guard(self, frame: Frame, call: str) -> None:
        """Every call is in its place here."""

    def drive(self, call: Call[Any]) -> Any:
        answer: Any = None
        try:
            while True:
                match call.flow.send(answer):
                    case Checkpoint(update):
                        answer = self.acknowledge(update)
                    case Attempt(body):
                        answer = outcome_of(body)
                    case Enter(frame, body) if callable(body):
                        answer = outcome_of(partial(body, frame))
                    case Enter(frame, series):
                        answer = self.run_series(Composite(frame, series))
                    case Suspend():
                        raise AssertionError("nothing is left to wait for")
        except StopIteration as done:
            return done.value

    def run_series(self, composite: Composite[Any]) -> Any:
        answer: Any = None
        try:
            while True:
                match composite.flow.send(answer):
                    case Run(body):
                        answer = outcome_of(body)
                    case Perform(begin=begin):
                        answer = outcome_of(lambda begin=begin: self.drive(begin()))
                    case Flush():
                        self.flushes += 1
                        answer = None
        except StopIteration as done:
            return done.value

    def acknowledge(self, update: Any) -> None:
        records = self.engine.state.operations
        record = apply(records.get(update.id), update, NOON)
        if record.type is OperationType.WAIT:
            record = replace(record, status=SUCCEEDED)
        elif record.type is OperationType.CALLBACK:
            answered = CallbackDetails(callback_id="cb-1", result="yes")
            record = replace(record, status=SUCCEEDED, callback_details=answered)
        records[update.id] = record
        self.updates.append(f"{update.action.value} {update.name}")


def outcome_of(code: Callable[[], Any]) -> Outcome:
    try:
        return Returned(code())
    except Exception as error:  # noqa: BLE001 - the flow decides about it
        return Raised(error)


@pytest.fixture
def driver(monkeypatch):
    def refuse(_):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return Straight()


@pytest.fixture
def ctx(driver):
    session: Any = SimpleNamespace(
        driver=driver, engine=driver.engine, program=SimpleNamespace(serdes=None), default_retry=Retry.none()
    )
    return DurableContext(session, Frame(driver.engine))


def value(n):
    return n


def fails(*_):
    raise ConnectionError("gone")


def test_with_retry(ctx, driver):
    tries = []

    def pay(child):
        tries.append(child.step(value, len(tries), name="charge"))
        return tries[-1] if len(tries) == 3 else fails()

    assert ctx.with_retry(pay, retry=Retry(max_attempts=3)) == 2
    assert [line for line in driver.updates if line.startswith("START")] == [
        "START pay",
        *("START charge", "START pay-backoff-1", "START charge", "START pay-backoff-2", "START charge"),
    ]


def test_wait_for_callback(ctx, driver):
    sent = []
    assert ctx.wait_for_callback(lambda callback_id, to: sent.append((callback_id, to)), "boss", name="ask") == "yes"
    assert sent == [("cb-1", "boss")]
    assert driver.updates == [
        *("START ask", "START ask create callback id"),
        *("START ask submitter", "SUCCEED ask submitter", "SUCCEED ask"),
    ]


def test_a_saga_and_its_undo(ctx, driver):
    undone = []
    with pytest.raises(ConnectionError), ctx.saga() as saga:
        ctx.step_with_compensation(value, 1, name="one", compensate=undone.append)
        ctx.step_with_compensation(
            value, 2, name="two", compensate=lambda child, result: undone.append(child.step(value, result))
        )
        saga.undo(undone.append, 3)
        fails()
    assert (undone, ctx.compensation_count) == ([3, 2, 1], 0)
    assert [line for line in driver.updates if line.startswith("START")][2:] == [
        *("START append", "START two", "START value", "START one"),
    ]


def test_a_saga_whose_undo_fails(ctx):
    with pytest.raises(CompensationError, match="undoing fails failed, after KeyError"), ctx.saga() as saga:
        saga.undo(fails)
        raise KeyError


def test_run_compensations(ctx):
    ctx.step_with_compensation(value, 1, name="one", compensate=fails)
    ctx.step_with_compensation(value, 2, name="two", compensate=value)
    result = ctx.run_compensations()
    assert [(item.name, item.status) for item in result.items] == [("two", "Succeeded"), ("one", "Failed")]


@pytest.mark.parametrize("raises", [False, True])
def test_batch(ctx, driver, raises):
    try:
        with ctx.batch():
            ctx.step(value, 1)
            if raises:
                fails()
    except ConnectionError:
        assert raises
    assert (driver.flushes, ctx.is_batch_mode) == (1, False)


def test_defer(ctx, driver):
    seen = []
    for each in (seen.append, fails, seen.append):
        ctx.defer(each, len(ctx._core.deferred))  # noqa: SLF001 - its number
    assert [type(error).__name__ for error in driver.run_series(ctx.deferred_calls())] == ["StepError"]
    assert seen == [2, 0]


def test_defer_of_nothing_asks_for_nothing(ctx):
    assert ctx.deferred_calls() is None
