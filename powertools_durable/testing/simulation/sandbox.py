"""The simulated process of one invocation. After its end, code that still runs in it has no effect outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

from powertools_durable._hosting import program_of
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Invoker, Killed, LambdaContext
from powertools_durable._service.invocations import Target
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import StepTimeoutError
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.sandbox_loops import SandboxLoops, without_running_loop
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

__all__ = ["SANDBOX", "Sandbox", "Sandboxes", "Watch"]

SANDBOX: ContextVar[Sandbox | None] = ContextVar("powertools_durable_sandbox", default=None)


class Watch(Protocol):
    """Observes sandboxes; it may kill one in each of its methods."""

    def invocation_begins(self, sandbox: Sandbox) -> None:
        """Called when an invocation begins in *sandbox*."""
        ...

    def before_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """Called before a checkpoint reaches the service."""
        ...

    def after_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """Called after the service has applied a checkpoint, before the response arrives."""
        ...

    def after_effect(self, entry: Any) -> None:
        """Called after a side effect of user code; see `Ledger.effect`."""
        ...

    def before_answer(self) -> None:
        """Called after the handler has returned, before Lambda gets its answer."""
        ...

    def run_callback(self, callback: Callable[..., object], *args: Any) -> None:
        """Call *callback*, of an event loop."""
        ...


class Sandbox:
    """The process of one invocation: alive until it is killed, times out or ends.

    Parameters
    ----------
    clock : VirtualClock
        The virtual time.
    threads : SeededThreads
        The threads of the run.
    timeout : float
        Seconds until Lambda ends the invocation.
    watch : Watch | None
        The observer.

    Attributes
    ----------
    arn : str
        The execution that the invocation belongs to: the simulated one, or one that it invokes.
    loops : SandboxLoops | None
        The event loops of its function's processes, if its handler is async.
    """

    def __init__(
        self,
        clock: VirtualClock,
        threads: SeededThreads,
        timeout: float,
        watch: Watch | None = None,
        *,
        loops: SandboxLoops | None = None,
    ) -> None:
        self.clock = clock
        self.pause = threads.pause
        self._sleep = threads.sleep
        self.watch = watch
        self.loops = loops
        self.arn = ""
        self._timeout = timeout
        self._ends = clock.monotonic() + timeout
        self._gone: Killed | None = None

    @property
    def is_gone(self) -> bool:
        """True after the end of the process."""
        return self._gone is not None

    def check(self) -> None:
        """Stop code that runs in a process that has ended.

        Raises
        ------
        Killed
            The process has ended.
        """
        if self._gone is not None:
            raise self._gone

    def kill(self, killed: Killed) -> NoReturn:
        """End the process; the first reason stays."""
        self._gone = self._gone or killed
        raise self._gone

    def restart(self) -> None:
        """Begin a new process, in place of reusing that of the previous invocation."""
        if self.loops is not None:
            self.loops.discard()

    def spend(self, seconds: float, step_ends: datetime | None) -> None:
        """Advance the time by *seconds*, at most to the end of the step or the invocation."""
        self.check()
        left = self._ends - self.clock.monotonic()
        step_left = left if step_ends is None else (step_ends - self.clock.now()).total_seconds()
        self._sleep(min(seconds, left, step_left))
        self.check()
        if seconds >= left:
            message = f"Task timed out after {self._timeout:.2f} seconds"
            self.kill(Killed(message, error_type="Sandbox.Timedout"))
        if seconds >= step_left:
            raise StepTimeoutError("the step did not finish within its timeout")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.check()  # a dead process can neither return nor raise
        self._gone = Killed("the invocation has ended")  # for threads that still run


class Sandboxes:
    """Creates the sandboxes of one run, one for each invocation, and passes their requests to the service.

    Parameters
    ----------
    service : DurableBackend
        The service.
    clock : VirtualClock
        The virtual time.
    threads : SeededThreads
        The threads of the run.
    timeout : float
        Maximum duration of an invocation in seconds.
    watch : Watch | None
        The observer.
    notes : Callable
        Returns a context manager for each invocation.
    schedule : str
        The seed of the event loops.
    """

    def __init__(
        self,
        service: DurableBackend,
        clock: VirtualClock,
        threads: SeededThreads,
        timeout: float,
        *,
        watch: Watch | None = None,
        notes: Callable[[], AbstractContextManager[object]] = nullcontext,
        schedule: str = "",
    ) -> None:
        self._notes = notes
        self._schedule = schedule
        self._loops: list[SandboxLoops] = []
        self._service = service
        self._clock = clock
        self._threads = threads
        self._timeout = timeout
        self._watch = watch
        self._current: Sandbox | None = None

    # -- the backend of sandboxes --------------------------------------------------------------------

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        self._threads.pause()  # other threads may run while a request is on its way
        self._check()
        if self._watch is not None:
            self._watch.before_checkpoint(updates)
        response = self._service.checkpoint(arn, checkpoint_token, updates, client_token)
        if self._watch is not None:
            self._watch.after_checkpoint(updates)
        self._threads.pause()
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        self._check()
        return self._service.get_execution_state(arn, checkpoint_token, marker, max_items)

    def _check(self) -> None:
        if self._current is not None:
            self._current.check()

    # -- invocations -----------------------------------------------------------------------------------------

    def loops_of(self, function: Callable[..., Any]) -> SandboxLoops | None:
        """Return the keeper of the event loops of an async function's processes; None for other functions."""
        program = program_of(function)
        if program is None or not program.is_async:
            return None
        schedule = RandomSchedule(f"{self._schedule}/loop-{len(self._loops)}")
        loops = SandboxLoops(schedule, None if self._watch is None else self._watch.run_callback)
        self._loops.append(loops)
        return loops

    def close(self) -> None:
        """Close all event loops at the end of the run."""
        for loops in self._loops:
            loops.discard()

    def wrap_invoker(self, invoker: Invoker, loops: SandboxLoops | None = None) -> Invoker:
        """Return an invoker that runs each invocation of *invoker* in its own sandbox; *loops* are for async code."""

        def invoke(event: dict[str, Any], context: LambdaContext) -> object:
            return without_running_loop(partial(run, event, context)) if loops is not None else run(event, context)

        def run(event: dict[str, Any], context: LambdaContext) -> object:
            # Threads that outlive the handler are stopped here, because the sandbox has ended.
            with (
                self._notes(),
                self._threads.taking_part(),
                Sandbox(self._clock, self._threads, self._timeout, self._watch, loops=loops) as sandbox,
            ):
                sandbox.arn = event["DurableExecutionArn"]
                self._current = sandbox
                token = SANDBOX.set(sandbox)
                try:
                    return self._invoke(sandbox, partial(invoker, event, context))
                finally:
                    SANDBOX.reset(token)
                    if sandbox.is_gone and self._watch is None:  # a watch decides itself when a process is new
                        sandbox.restart()

        return invoke

    def _invoke(self, sandbox: Sandbox, invocation: Callable[[], object]) -> object:
        if self._watch is not None:
            self._watch.invocation_begins(sandbox)
        answer = invocation()
        if self._watch is not None:
            self._watch.before_answer()
        return answer

    def wrap_target(self, target: Target, loops: SandboxLoops | None = None) -> Target:
        """Return *target*, whose invocations run in their own sandboxes if it is durable."""
        return target if target.durable is None else replace(target, durable=self.wrap_invoker(target.durable, loops))
