"""Counts what does not depend on the machine: Python calls, API calls, updates, threads, bytes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any

from powertools_durable._hosting import invoker_of
from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.frame import operation_id
from powertools_durable._runtime.environment import Environment, SystemClock, SystemThreads
from tests.kit import ARN

MOMENT = 1_795_504_579_346  # milliseconds, as Lambda's event has them
EXECUTION = {
    "Id": "0a1b",
    "Type": "EXECUTION",
    "Status": "STARTED",
    "StartTimestamp": MOMENT,
    "ExecutionDetails": {"InputPayload": "{}"},
}


def printed_by(code, **environment):
    """Run *code* in a process of its own, where nothing else is loaded, allocated or collected."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return done.stdout


def held(make):
    """Return what *make* makes, and how many bytes it holds; for `printed_by`, as others allocate memory too."""
    tracemalloc.start()
    try:
        made = make()
        gc.collect()  # what is no longer held is not counted
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


class Accepting:
    """A service that accepts everything and tells nothing: the engine applies what was acknowledged."""

    def __init__(self) -> None:
        self.requests: list[Sequence[OperationUpdate]] = []
        self.callers: list[str] = []

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        self.requests.append(updates)
        self.callers.append(threading.current_thread().name)
        return CheckpointResponse(checkpoint_token=f"t-{len(self.requests)}")

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        raise AssertionError("all records are in the event")

    @property
    def updates(self) -> list[OperationUpdate]:
        return [update for request in self.requests for update in request]


class StillClock(SystemClock):
    """The machine's own, on which no time passes: an update that may linger does, however slow the machine is."""

    def monotonic(self) -> float:
        return 0.0


class CountedThreads(SystemThreads):
    """The machine's own, counted."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        self.started.append(name)
        return super().spawn(run, name)


class Invocation:
    """One invocation of a durable handler with a history."""

    def __init__(self, handler: Callable[..., Any], records: Sequence[dict[str, Any]] = ()) -> None:
        self.service = Accepting()
        self.threads = CountedThreads()
        environment = Environment(StillClock(), Random(0), threads=self.threads)
        self._invoke = invoker_of(handler, backend=self.service, environment=environment)
        self._event = {
            "DurableExecutionArn": ARN,
            "CheckpointToken": "t-0",
            "InitialExecutionState": {"Operations": [EXECUTION, *records], "NextMarker": ""},
        }

    def run(self) -> dict[str, Any]:
        """Return the answer to Lambda."""
        answer: Any = self._invoke(self._event, None)
        return answer


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count the calls of Python functions by name, on this thread and on those started meanwhile."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            calls[frame.f_code.co_name] += 1

    before = sys.getprofile()
    gc.collect()
    gc.disable()  # what other tests left has finalizers, and hypothesis a callback
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
        gc.enable()


@contextmanager
def counted_lines(folder: str) -> Iterator[Counter[str]]:
    """Count the lines that run in files of *folder* by function, on this thread and on those started meanwhile."""
    lines: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _arg: object) -> Any:
        if folder not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines[frame.f_code.co_name] += 1
        return count

    before = sys.gettrace()
    threading.settrace(count)
    sys.settrace(count)
    try:
        yield lines
    finally:
        sys.settrace(before)
        threading.settrace(before)  # type: ignore[arg-type]


def calls_each(make: Callable[[int], Invocation], fewer: int = 50, more: int = 150) -> float:
    """Return how many calls one operation more costs, once everything is warm."""
    make(3).run()
    totals = []
    for count in (fewer, more):
        invocation = make(count)
        with counted_calls() as calls:
            invocation.run()
        totals.append(calls.total())
    return (totals[1] - totals[0]) / (more - fewer)


def finished_steps(count: int, text: str = "7") -> list[dict[str, Any]]:
    """Return the records of *count* steps at the root."""
    return [finished(OperationType.STEP, operation_id(f"{n}"), f"s{n}", text) for n in range(1, count + 1)]


def finished(
    kind: OperationType, identifier: str, name: str, text: str, sub_type: str = "Step", parent: str | None = None
) -> dict[str, Any]:
    """Return one record as Lambda's event has it."""
    details = {"StepDetails": {"Attempt": 1, "Result": text}}
    if kind is OperationType.CONTEXT:
        details = {"ContextDetails": {"Result": text}}
    record = {"Id": identifier, "Type": kind.value, "Status": "SUCCEEDED", "SubType": sub_type, "Name": name}
    return (
        record
        | {"StartTimestamp": MOMENT, "EndTimestamp": MOMENT, **details}
        | ({"ParentId": parent} if parent else {})
    )
