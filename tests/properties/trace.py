"""Runs a handler in the simulator to its end, with crashes and faults, and writes down all that happens."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.effects import Checkpoint, Enter, FanOut, Flow
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.blocking import BlockingDriver
from powertools_durable._runtime.seams import Seams
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.host import Invocation, Invoker, Killed, LambdaContext
from powertools_durable._service.store import MemoryStore
from powertools_durable._service.validation import ServiceRefusal
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.batch import BatchResult
from powertools_durable.decorator import invoker_of, target_of
from powertools_durable.errors import ValidationError
from powertools_durable.parser.stored import input_text
from powertools_durable.scope import current_scope
from powertools_durable.testing.crashes import CrashHost
from powertools_durable.testing.ledger import Entry, Ledger
from powertools_durable.testing.run import SimulatedCallback, SimulatedRun
from powertools_durable.testing.sandbox import SANDBOX, Sandbox, Sandboxes
from powertools_durable.testing.scheduler import SeededThreads
from powertools_durable.testing.simulator import SeededIds
from powertools_durable.testing.spending import attend
from powertools_durable.testing.whims import Whims
from tests.properties import events as of
from tests.properties.events import Trace, digest
from tests.properties.faults import BEFORE, NONE, FaultPlan, Faults

__all__ = ["observe"]

NAME = "traced"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:simulated:1/durable-execution/{NAME}/{'0a1b' * 8}"
_PUSHES = 400  # times that a run is pushed on, at most
_OURS = "powertools-durable-"
_STEP = f"{_OURS}step-"  # may be left behind by a timeout (protocol.md 21.3)


def observe(
    handler: Callable[..., Any],
    event: object = None,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    seed: int = 0,
    kills: Sequence[int] = (),
    faults: FaultPlan = NONE,
    callbacks: Mapping[str, Any] | None = None,
    ledger: Ledger | None = None,
    timeout: float = 900,
    canaries: Sequence[str] = (),
    twice: bool = False,
) -> Trace:
    """Run *handler* to its end, and return what happened.

    Parameters
    ----------
    handler : Callable
        What `durable` made.
    event : object
        The input.
    functions : Mapping[str, Callable] | None
        What it invokes, as a `Simulator` takes them.
    seed : int
        Decides tokens, and who of several threads goes on.
    kills : Sequence[int]
        The numbers of the moments at which a process dies; those of ``trace.moments``, and of `explore`.
    faults : FaultPlan
        What goes wrong between process and service.
    callbacks : Mapping[str, object] | None
        Answers by name: a value, or a function that takes the `SimulatedCallback`. Others time out.
    ledger : Ledger | None
        Where the handler's fakes write down what they do; it is emptied first.
    timeout : float
        Seconds an invocation may last.
    canaries : Sequence[str]
        What may appear in no line of the library and no metric.
    twice : bool
        Do it again, so that I23 can be looked at.
    """
    again = partial(
        observe,
        handler,
        event,
        functions=functions,
        seed=seed,
        kills=kills,
        faults=faults,
        callbacks=callbacks,
        ledger=ledger,
        timeout=timeout,
        canaries=canaries,
    )
    if ledger is not None:
        ledger.clear()
    trace = Trace(arn=ARN, seed=seed, kills=tuple(kills), skew=faults.skew, canaries=tuple(canaries))
    scribe = _Scribe(trace)
    run = _prepared(handler, event, functions or {}, scribe, Faults(faults), timeout)
    handles = _open_handles()
    with scribe.listening(run):
        try:
            _push(run, callbacks or {})
        except ValidationError as problem:
            trace.stuck = str(problem)
    trace.handles = _open_handles() - handles
    trace.lost_baton = run.threads.lost_baton
    header = run.host.execution(ARN).header
    trace.status, trace.result = header.status, header.result
    if header.error is not None:
        trace.error, trace.words = header.error.error_type or "", header.error.error_message or ""
    trace.metrics = [json.dumps(metric) for metric in run.metrics]
    trace.faults = dict(scribe.faults.count)
    if twice:
        other = again()
        if not (trace.lost_baton or other.lost_baton):  # nobody can say then what a seed decides
            trace.again = digest(other)
    return trace


def _open_handles() -> int:
    """Count open files and sockets; 0 where the system does not tell."""
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - faster by half
    except OSError:
        return 0


# -- the run ---------------------------------------------------------------------------------------------------


class _Steady(Random):
    """Jitter that is always the same, so that no moment depends on how many requests were made before."""

    def random(self) -> float:
        return 0.5


class _Skewed:
    """A clock that is ahead of another."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self._clock = clock
        self._ahead = timedelta(seconds=seconds)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep

    def now(self) -> datetime:
        return self._clock.now() + self._ahead


def _prepared(
    handler: Callable[..., Any],
    event: object,
    functions: Mapping[str, Callable[..., Any]],
    scribe: _Scribe,
    faults: Faults,
    timeout: float,
) -> SimulatedRun:
    """Put together what `Simulator.prepare` does, with a host, a driver and a clock of our own."""
    random, clock = _Steady(scribe.trace.seed), VirtualClock()
    scribe.clock, scribe.faults, scribe.timeout = clock, faults, timeout
    host = _Host(MemoryStore(), clock, SeededIds(random), invocation_timeout=timeout)
    host.scribe, host.faults = scribe, faults
    threads = SeededThreads(clock, Whims(f"{scribe.trace.seed}/threads"))
    host.sandboxes = sandboxes = Sandboxes(ServiceBackend(host), clock, threads, timeout, scribe)
    seams = Seams(
        _Skewed(clock, faults.plan.skew) if faults.plan.skew else clock,
        random,
        witness=scribe,
        threads=threads,
        driver=partial(_Driver, scribe=scribe),
    )
    targets = sandboxes.around_all(
        (name, target_of(function, backend=sandboxes, seams=seams)) for name, function in functions.items()
    )
    invoker = sandboxes.around(invoker_of(handler, backend=sandboxes, seams=seams))
    host.start(ARN, NAME, input_text(event))
    return SimulatedRun(host, clock, ARN, invoker, targets, threads=threads)


def _push(run: SimulatedRun, callbacks: Mapping[str, Any]) -> None:
    run.settle()
    answered: set[str] = set()
    for _ in range(_PUSHES):
        if run.status != "RUNNING":
            return
        if not _answer(run, callbacks, answered):
            before = (run.now, len(run.invocations))
            if (run.step().now, len(run.invocations)) == before:
                break
    if run.status == "RUNNING":
        message = f"comes to no end: {run!r}"
        raise ValidationError(message)


def _answer(run: SimulatedRun, callbacks: Mapping[str, Any], answered: set[str]) -> bool:
    for name, answer in callbacks.items():
        for record in run.open_callbacks_called(name):
            if record.id not in answered:
                answered.add(record.id)
                callback = SimulatedCallback(run, record)
                if callable(answer):
                    answer(callback)
                else:
                    callback.succeed(answer)
                return True
    return False


# -- the service -----------------------------------------------------------------------------------------------


class _Host(CrashHost):
    """The service, with what goes wrong on the way to it; forgives what was its own fault."""

    scribe: _Scribe
    faults: Faults
    sandboxes: Sandboxes

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._invokers: dict[str, Invoker] = {}

    def start(self, arn: str, name: str, payload: str | None, **limits: int) -> ServiceExecution:
        if self.faults.plan.page_items:
            limits["page_items"] = self.faults.plan.page_items
        return super().start(arn, name, payload, **limits)

    def invoke(self, arn: str, invoker: Invoker) -> Invocation:
        scribe, faults = self.scribe, self.faults
        faults.forgives = False
        self._invokers[arn] = invoker
        failed = self.execution(arn).header.failed_invocations

        def told(event: dict[str, Any], context: LambdaContext) -> object:
            event = faults.event(event)
            scribe.began(event)
            return invoker(event, context)

        with scribe.inside():
            invocation = super().invoke(arn, told)
            scribe.ended(arn, invocation.answer)
            withdrawn = scribe.withdrawn
        if faults.forgives:
            with self.changing(arn) as execution:
                if not execution.is_terminal:
                    execution.header.failed_invocations = failed
                    # Nothing pends when what it waited for came with its last answer: it is invoked again.
                    execution.header.illegal_pendings = min(execution.header.illegal_pendings, 1)
                    if isinstance(invocation.answer, ErrorObject) or withdrawn:
                        execution.header.retry_at = self.clock.now()
        return invocation

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        scribe, faults = self.scribe, self.faults
        fault = faults.of_call()
        number = scribe.requested(arn, checkpoint_token, client_token, updates)
        if fault in BEFORE:
            faults.happened(fault)
            if fault not in {"stale token", "overlap"}:
                scribe.answered(number, "lost" if fault.startswith("reset") else "refused", applied=False, fault=fault)
                raise faults.error(fault, "CheckpointDurableExecution", updates)
            self._overtake(arn, runs=fault == "overlap")
        try:
            response = super().checkpoint(arn, checkpoint_token, updates, client_token)
        except ServiceRefusal as refusal:
            answer = "stale" if "token" in str(refusal) else "refused"
            scribe.answered(number, answer, applied=False, fault=fault or str(refusal))
            raise
        if fault in {"reset after", "read timeout", "500 after"}:
            faults.happened(fault)
            scribe.answered(number, "lost", applied=True, fault=fault)
            raise faults.error(fault, "CheckpointDurableExecution", updates)
        happened, response = faults.changed(fault, response, updates)
        if happened:
            faults.happened(happened)
        scribe.answered(number, "token" if response.checkpoint_token else "none", response=response, fault=happened)
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        scribe, faults = self.scribe, self.faults
        fault = faults.of_page()
        asked = partial(scribe.paged, arn, checkpoint_token, marker)
        if fault in {"reset", "429", "503"}:
            faults.happened(f"page {fault}")
            asked("lost" if fault == "reset" else "refused", fault=fault)
            raise faults.error(fault, "GetDurableExecutionState")
        if fault == "stale":
            faults.happened("page stale")
            self._overtake(arn)
        try:
            page = super().get_execution_state(arn, checkpoint_token, marker, max_items)
        except ServiceRefusal as refusal:
            asked("stale" if "token" in str(refusal) else "refused", fault=fault)
            raise
        happened, page = faults.paged(fault, page)
        if happened:
            faults.happened(f"page {happened}")
        asked("page", page=page, fault=happened)
        return page

    def _overtake(self, arn: str, *, runs: bool = False) -> None:
        """Give the execution to another invocation: one that *runs* now, beside the one that does not know it.

        Otherwise, and inside of such a one, it begins when the one that runs has noticed.
        """
        if not runs or self.scribe.depth > 1:
            with self.changing(arn) as execution:
                execution.header.token = self.ids.token()
            return
        current = self.sandboxes._current  # noqa: SLF001 - two at a time are not what they are made for
        try:
            Context().run(self.invoke, arn, self._invokers[arn])
        finally:
            self.sandboxes._current = current  # noqa: SLF001
            self.faults.forgives = True


# -- the process -----------------------------------------------------------------------------------------------


class _Driver(BlockingDriver):
    """Shows each operation's flow to the scribe."""

    def __init__(self, *parts: Any, scribe: _Scribe, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._scribe = scribe
        self._number = scribe.invocation

    def drive(self, frame: Frame, op: OperationHandle, flow: Flow[Any]) -> Any:
        self._scribe.contexts[op.id] = frame.context_id or ""
        return super().drive(frame, op, flow)

    def heard(self, op: OperationHandle, flow: Flow[Any]) -> Flow[Any]:
        told = self._scribe.asked_for(self._number, op, flow)
        return self._scribe.watched(self._number, op, told, super().heard(op, flow))


class _Scribe:
    """Writes down. It is `Witness` and `Watch` in one, numbers the moments as `explore` does, and kills."""

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
        running = () if self.depth > 1 else threading.enumerate()
        threads = [t.name for t in running if t.name.startswith(_OURS) and not t.name.startswith(_STEP)]
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
        if self._sandbox is None or not self._sandbox.is_gone:
            self.events.append(event)

    # -- Watch -------------------------------------------------------------------------------------------------

    def begins(self, sandbox: Sandbox) -> None:
        """A process begins."""
        self._sandbox = sandbox
        self._numbers[sandbox] = self.invocation

    def number(self) -> int:
        """Return the number of the invocation whose code runs on this thread."""
        sandbox = SANDBOX.get()
        return self.invocation if sandbox is None else self._numbers.get(sandbox, self.invocation)

    def calls(self, updates: Sequence[OperationUpdate]) -> None:
        """It may die before the service hears."""
        if updates:
            self._reach("before the checkpoint")

    def called(self, updates: Sequence[OperationUpdate]) -> None:
        """It may die before it hears the answer."""
        if updates:
            self._reach("after the checkpoint")

    def effect(self, entry: Entry) -> None:
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

    def answers(self) -> None:
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

    # -- Witness -----------------------------------------------------------------------------------------------

    def asked(self, op: OperationHandle) -> None:
        """Do nothing: `asked_for` is told more."""

    def refused(self, frame: Frame, call: str) -> None:
        """Do nothing."""

    def swallowed(self, frame: Frame) -> None:
        """Do nothing."""

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run a body; a process may die before and after."""
        scope = current_scope()
        operation, attempt = (scope.operation_id or "", scope.attempt or 0) if scope else ("", 0)
        self._reach("before the body")
        thread, number = threading.current_thread().name, self.number()
        self._tell(of.BodyBegan(self.clock.monotonic(), number, operation, attempt, thread))
        outcome = "returned"
        try:
            value = attend(body, flush)
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._tell(of.BodyEnded(self.clock.monotonic(), number, operation, attempt, outcome))
        self._reach("after the body")
        return value

    # -- operations --------------------------------------------------------------------------------------------

    def asked_for(self, number: int, op: OperationHandle, flow: Flow[Any]) -> str:
        """Note that the code asks for an operation; return which call it is."""
        call = flow.gi_code.co_name
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
        self._see(op, call, number, value=value)
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
        """Note each log line that is said, whether or not it comes out."""
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
            yield
        finally:
            logging.setLogRecordFactory(make)
            shown = {id(record) for record in run.logs}
            for record, line in self._lines:
                line.shown = id(record) in shown
