"""Writes down what a process does, and what the service hears and answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from powertools_durable._operations.compensation import run_and_register
from powertools_durable._operations.patch import patched_once
from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._protocol.result import StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.effects import Call, Checkpoint, Enter, FanOut, Flow
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.async_driver import AsyncDriver
from powertools_durable._runtime.driver import BlockingDriver
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Killed
from powertools_durable.batch import BatchResult
from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.effect_ledger import Entry
from powertools_durable.testing.simulation.sandbox import SANDBOX, Sandbox
from powertools_durable.testing.simulation.simulated_run import SimulatedRun
from powertools_durable.testing.simulation.virtual_time import await_body, run_body
from tests.leaks import StartedThreads, started_threads
from tests.properties import events as of
from tests.properties.events import Trace
from tests.properties.faults import NONE, Faults

__all__ = ["Scribe", "recorded"]

_OURS = "powertools-durable-"
_STEP = f"{_OURS}step-"  # may be left behind by a timeout (docs/contributing/protocol.md#step-timeouts)


def recorded(scribe: Scribe, driver: BlockingDriver) -> BlockingDriver:
    """Have the driver show each operation's flow to the scribe."""
    number, drive, heard = scribe.invocation, driver.drive, driver.observe

    def drive_recorded(call: Call[Any]) -> Any:
        scribe.contexts[call.op.id] = call.frame.context_id or ""
        return drive(call)

    def observe_and_record(op: OperationHandle, flow: Flow[Any]) -> Flow[Any]:
        told = scribe.asked_for(number, op, flow)
        return scribe.watched(number, op, told, heard(op, flow))

    driver.drive, driver.observe = drive_recorded, observe_and_record
    return driver


@contextmanager
def async_recorded(scribe: Scribe) -> Iterator[None]:
    """Have the drivers of async handlers do so too; no performer takes their place."""
    drive, heard = AsyncDriver.drive, AsyncDriver.observe

    def drive_recorded(driver: AsyncDriver, call: Call[Any], series: Any = None) -> Any:
        scribe.contexts[call.op.id] = call.frame.context_id or ""
        return drive(driver, call, series)

    def observe_and_record(driver: AsyncDriver, op: OperationHandle, flow: Flow[Any]) -> Flow[Any]:
        number = scribe.number()
        told = scribe.asked_for(number, op, flow)
        return scribe.watched(number, op, told, heard(driver, op, flow))

    AsyncDriver.drive, AsyncDriver.observe = drive_recorded, observe_and_record  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        AsyncDriver.drive, AsyncDriver.observe = drive, heard  # type: ignore[method-assign]


class Scribe:
    """Writes down. It is `Probe` and `Watch` in one, numbers the moments as `explore` does, and kills."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.events = trace.events
        self.clock = VirtualClock()
        self.faults = Faults(NONE)
        self.timeout = 0.0
        self.invocation = 0  # the one that talks to the service
        self.depth = 0  # of invocations that run at once
        self.withdrawn = False
        self.contexts: dict[str, str] = {}
        self._requests = 0
        self._records: dict[int, tuple[object, Any]] = {}
        self._lines: list[tuple[logging.LogRecord, of.Line]] = []
        self._begun = 0
        self._sandbox: Sandbox | None = None
        self._numbers: dict[Sandbox, int] = {}
        self._lock = threading.RLock()
        self._started = StartedThreads()

    # -- the service's side ------------------------------------------------------------------------------------

    def began(self, event: dict[str, Any]) -> None:
        """An invocation begins."""
        self._begun += 1
        self.invocation = self._begun
        now, state = self.clock.monotonic(), event["InitialExecutionState"]
        self.events.append(
            of.Began(
                now,
                self.invocation,
                event["DurableExecutionArn"],
                event["CheckpointToken"],
                state["Operations"],
                state["NextMarker"],
                event["UpdatedOperationIds"],
                now + self.timeout,
                sorted(event),
            )
        )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Surround an invocation, which another one may be in the middle of."""
        before = self.invocation, self._sandbox, self.withdrawn
        self.withdrawn = False
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            self.invocation, self._sandbox, self.withdrawn = before

    def ended(self, arn: str, answer: object) -> None:
        """It ended."""
        how, result, error, words = "raised", None, "", ""
        if isinstance(answer, ErrorObject):
            error, words = answer.error_type or "", answer.error_message or ""
            how = "killed" if error in {"Runtime.ExitError", "Sandbox.Timedout"} else "raised"
        elif isinstance(answer, dict):
            how, result = str(answer.get("Status")), answer.get("Result")
            told = answer.get("Error") or {}
            error, words = told.get("ErrorType", ""), told.get("ErrorMessage", "")
        running = () if self.depth > 1 else self._started.alive
        threads = [name for name in running if name.startswith(_OURS) and not name.startswith(_STEP)]
        self.events.append(of.Ended(self.clock.monotonic(), self.invocation, arn, how, result, error, words, threads))

    def requested(self, arn: str, token: str, client_token: str, updates: Sequence[OperationUpdate]) -> int:
        """A checkpoint is on its way."""
        self._requests += 1
        wire = [to_wire(update) for update in updates]
        self.events.append(
            of.Requested(self.clock.monotonic(), self.invocation, arn, self._requests, token, client_token, wire)
        )
        return self._requests

    def answered(
        self, number: int, answer: str, *, applied: bool = True, fault: str = "", response: Any = None
    ) -> None:
        """It is answered."""
        page = response.new_execution_state if response is not None else None
        records = self._wires(page.operations if page else None)
        token = (response.checkpoint_token if response is not None else None) or ""
        self.withdrawn = self.withdrawn or answer == "none"
        self.events.append(
            of.Answered(self.clock.monotonic(), self.invocation, number, answer, applied, token, records, fault)
        )

    def paged(
        self, arn: str, token: str, marker: str, answer: str, *, page: StatePage | None = None, fault: str = ""
    ) -> None:
        """A page was asked for."""
        records = self._wires(page.operations if page else None)
        following = (page.next_marker if page else None) or ""
        self.events.append(
            of.Page(self.clock.monotonic(), self.invocation, arn, token, marker, answer, records, following, fault)
        )

    def _wires(self, records: Sequence[Operation] | None) -> list[dict[str, Any]]:
        told = []
        for record in records or ():
            known = self._records.get(id(record))
            if known is None:
                known = self._records[id(record)] = (record, to_wire(record))
            told.append(known[1])
        return told

    def _tell(self, event: of.Event) -> None:
        """Write down what the process does; nothing of what it does when it is gone reaches anybody."""
        sandbox = SANDBOX.get() or self._sandbox
        if sandbox is None or not sandbox.is_gone:
            self.events.append(event)

    # -- Watch -------------------------------------------------------------------------------------------------

    def invocation_begins(self, sandbox: Sandbox) -> None:
        """A process begins."""
        self._sandbox = sandbox
        self._numbers[sandbox] = self.invocation

    def number(self) -> int:
        """Return the number of the invocation whose code runs on this thread."""
        sandbox = SANDBOX.get()
        return self.invocation if sandbox is None else self._numbers.get(sandbox, self.invocation)

    def before_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """It may die before the service hears."""
        if updates:
            self._reach("before the checkpoint")

    def after_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """It may die before it hears the answer."""
        if updates:
            self._reach("after the checkpoint")

    def after_effect(self, entry: Entry) -> None:
        """It may die right after it did something."""
        self.events.append(
            of.Effect(
                self.clock.monotonic(),
                self.number(),
                entry.effect,
                entry.operation_id or "",
                entry.attempt or 0,
                entry.repeated,
            )
        )
        self._reach("after the effect")

    def before_answer(self) -> None:
        """It may die before Lambda has its answer."""
        self._reach("after the handler's end")

    def _reach(self, moment: str) -> None:
        with self._lock:
            sandbox = SANDBOX.get() or self._sandbox
            if sandbox is None:
                return
            sandbox.check()
            number = len(self.trace.moments)
            self.trace.moments.append(moment)
            if number in self.trace.kills:
                self.events.append(of.Died(self.clock.monotonic(), self._numbers[sandbox], number, moment))
                sandbox.kill(Killed())

    def run_callback(self, callback: Callable[..., object], *args: Any) -> None:
        """Run a callback of an event loop."""
        callback(*args)

    # -- Probe -----------------------------------------------------------------------------------------------

    def operation_called(self, op: OperationHandle) -> None:
        """Do nothing: `asked_for` is told more."""

    def refused(self, frame: Frame, call: str) -> None:
        """Do nothing."""

    def swallowed(self, frame: Frame, location: str = "") -> None:
        """Do nothing."""

    def context_ended(self, frame: Frame) -> None:
        """Do nothing."""

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run a body; a process may die before and after."""
        with self._body():
            return run_body(body, flush)

    async def awaited_attempt(self, run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
        """Await a body; a process may die before and after."""

        async def observed() -> Any:
            with self._body():
                return await run()

        return await await_body(observed, flush)

    def on_thread(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run on a thread what an awaited body leaves to one."""
        return run_body(body, flush)

    @contextmanager
    def _body(self) -> Iterator[None]:
        scope = current_scope()
        operation, attempt = (scope.operation_id or "", scope.attempt or 0) if scope else ("", 0)
        self._reach("before the body")
        thread, number = threading.current_thread().name, self.number()
        self._tell(of.BodyBegan(self.clock.monotonic(), number, operation, attempt, thread))
        outcome = "returned"
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._tell(of.BodyEnded(self.clock.monotonic(), number, operation, attempt, outcome))
        self._reach("after the body")

    # -- operations --------------------------------------------------------------------------------------------

    def asked_for(self, number: int, op: OperationHandle, flow: Flow[Any]) -> str:
        """Note that the code asks for an operation; return which call it is."""
        while (around := flow.gi_code.co_name) == run_and_register.__name__:  # a step that has a compensation
            flow = flow.gi_frame.f_locals["call"].flow
        call = {patched_once.__name__: "patched"}.get(around, around)
        at_most_once = call == "step" and bool(flow.gi_frame and flow.gi_frame.f_locals.get("at_most_once"))
        branch = op.sub_type in {"MapIteration", "ParallelBranch"}
        status = op.status
        self._tell(
            of.Asked(
                self.clock.monotonic(),
                number,
                op.id,
                call,
                op.type.value,
                str(op.sub_type),
                op.name or "",
                op.parent_id or "",
                f"branches of {op.parent_id}" if branch else self.contexts.get(op.id, ""),
                op.number,
                status.value if status is not None else "",
                at_most_once,
            )
        )
        return call

    def watched(self, number: int, op: OperationHandle, call: str, flow: Flow[Any]) -> Flow[Any]:
        """Pass *flow* on, and note what it asks for and how it ends."""
        clock, identifier = self.clock, op.id
        answer: object = None
        try:
            while True:
                effect = flow.send(answer)
                kind = type(effect)
                if kind is Checkpoint:
                    action = effect.update.action.value
                    self._tell(of.Owed(clock.monotonic(), number, effect.update.id, action, effect.wait))
                elif kind is Enter or kind is FanOut:
                    status = op.status
                    told = status.value if status is not None else ""
                    self._tell(of.Entered(clock.monotonic(), number, identifier, told))
                answer = yield effect
        except StopIteration as done:
            value = done.value
        except Exception as error:
            self._see(op, call, number, error=error)
            raise
        finally:
            flow.close()
        self._see(op, call, number, value=getattr(value, "callback_id", value))
        return value

    def _see(
        self, op: OperationHandle, call: str, number: int, *, value: Any = None, error: Exception | None = None
    ) -> None:
        status = op.status
        kind = type(error).__name__ if error is not None else ""
        told = getattr(error, "error_type", None)
        self._tell(
            of.Seen(
                self.clock.monotonic(),
                number,
                op.id,
                call,
                status.value if status is not None else "",
                None if error is not None else repr(value),
                f"{kind} {told}" if told else kind,
                str(error) if error is not None else "",
                isinstance(value, BatchResult) and any(item.status == "STARTED" for item in value.items),
            )
        )

    # -- log lines ---------------------------------------------------------------------------------------------

    @contextmanager
    def listening(self, run: SimulatedRun) -> Iterator[None]:
        """Note each log line that is said, whether or not it comes out, and each thread that is started."""
        make = logging.getLogRecordFactory()

        def made(*parts: Any, **more: Any) -> logging.LogRecord:
            record = make(*parts, **more)
            scope = current_scope()
            line = of.Line(
                self.clock.monotonic(),
                self.number(),
                record.name,
                record.levelname,
                record.getMessage(),
                (scope.context_id or "") if scope else "",
                (scope.operation_id or "") if scope else "",
                (scope.attempt or 0) if scope else 0,
                scope.where.replay_state.value if scope else "",
                shown=False,
            )
            self._lines.append((record, line))
            self.events.append(line)
            return record

        logging.setLogRecordFactory(made)
        try:
            with started_threads() as self._started, async_recorded(self):
                yield
        finally:
            logging.setLogRecordFactory(make)
            shown = {id(record) for record in run.logs}
            for record, line in self._lines:
                line.shown = id(record) in shown
