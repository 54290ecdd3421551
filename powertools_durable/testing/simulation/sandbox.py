"""What one invocation runs in. When it is gone, what still runs there reaches nothing outside any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Invoker, Killed, LambdaContext
from powertools_durable._service.invocations import Target
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import StepTimeoutError
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

__all__ = ["SANDBOX", "Sandbox", "Sandboxes", "Watch"]

SANDBOX: ContextVar[Sandbox | None] = ContextVar("powertools_durable_sandbox", default=None)


class Watch(Protocol):
    """Sees what goes in and out of sandboxes; it may end one."""

    def begins(self, sandbox: Sandbox) -> None:
        """Hear that an invocation begins in *sandbox*."""
        ...

    def calls(self, updates: Sequence[OperationUpdate]) -> None:
        """Hear of a checkpoint before the service does."""
        ...

    def called(self, updates: Sequence[OperationUpdate]) -> None:
        """Hear of a checkpoint that the service has, before its answer comes in."""
        ...

    def effect(self, entry: Any) -> None:
        """Hear that something was done to the world outside."""
        ...

    def answers(self) -> None:
        """Hear that the handler has returned its answer, before Lambda does."""
        ...


class Sandbox:
    """One invocation's process: alive until it is killed, or its time is over.

    Parameters
    ----------
    clock : VirtualClock
        What time it is in there.
    threads : SeededThreads
        Those that run in there.
    timeout : float
        Seconds until Lambda ends it.
    watch : Watch | None
        Who looks on.

    Attributes
    ----------
    arn : str
        Whose invocation it is: the execution's, or that of one that it invokes.
    """

    def __init__(self, clock: VirtualClock, threads: SeededThreads, timeout: float, watch: Watch | None = None) -> None:
        self.clock = clock
        self.pause = threads.pause
        self._sleep = threads.sleep
        self.watch = watch
        self.arn = ""
        self._timeout = timeout
        self._ends = clock.monotonic() + timeout
        self._gone: Killed | None = None

    @property
    def is_gone(self) -> bool:
        """True when nothing in there counts any more."""
        return self._gone is not None

    def check(self) -> None:
        """Stop code that runs in a sandbox that is gone.

        Raises
        ------
        Killed
            It is gone.
        """
        if self._gone is not None:
            raise self._gone

    def kill(self, killed: Killed) -> NoReturn:
        """End it here and now; the first reason stays."""
        self._gone = self._gone or killed
        raise self._gone

    def spend(self, seconds: float, step_ends: datetime | None) -> None:
        """Let time pass, as far as there is some left."""
        self.check()
        left = self._ends - self.clock.monotonic()
        step_left = left if step_ends is None else (step_ends - self.clock.now()).total_seconds()
        self._sleep(min(seconds, left, step_left))
        self.check()
        if seconds >= left:
            words = f"Task timed out after {self._timeout:.2f} seconds"
            self.kill(Killed(words, error_type="Sandbox.Timedout"))
        if seconds >= step_left:
            raise StepTimeoutError("the step did not finish within its timeout")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.check()  # whatever the handler returned or raised: nobody is there to say it
        self._gone = Killed("the invocation has ended")  # for threads that it left behind


class Sandboxes:
    """Makes the sandboxes of one run, one after the other, and stands between them and the service.

    Parameters
    ----------
    service : DurableBackend
        The service.
    clock : VirtualClock
        What time it is.
    threads : SeededThreads
        Those that run in there.
    timeout : float
        Seconds that an invocation may last.
    watch : Watch | None
        Who looks on.
    notes : Callable
        Makes a context manager that surrounds each invocation.
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
    ) -> None:
        self._notes = notes
        self._service = service
        self._clock = clock
        self._threads = threads
        self._timeout = timeout
        self._watch = watch
        self._current: Sandbox | None = None

    # -- the service, as it is seen from inside --------------------------------------------------------------

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        self._threads.pause()  # a request takes its time, in which others go on
        self._check()
        if self._watch is not None:
            self._watch.calls(updates)
        response = self._service.checkpoint(arn, checkpoint_token, updates, client_token)
        if self._watch is not None:
            self._watch.called(updates)
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

    def around(self, invoker: Invoker) -> Invoker:
        """Return what runs each invocation of *invoker* in a sandbox of its own."""

        def invoke(event: dict[str, Any], context: LambdaContext) -> object:
            # Whoever leaves last finds the sandbox gone: what was left behind comes to its end there.
            with (
                self._notes(),
                self._threads.taking_part(),
                Sandbox(self._clock, self._threads, self._timeout, self._watch) as sandbox,
            ):
                sandbox.arn = event["DurableExecutionArn"]
                self._current = sandbox
                token = SANDBOX.set(sandbox)
                try:
                    return self._watched(sandbox, partial(invoker, event, context))
                finally:
                    SANDBOX.reset(token)

        return invoke

    def _watched(self, sandbox: Sandbox, invocation: Callable[[], object]) -> object:
        if self._watch is not None:
            self._watch.begins(sandbox)
        answer = invocation()
        if self._watch is not None:
            self._watch.answers()
        return answer

    def around_all(self, functions: Iterable[tuple[str, Target]]) -> dict[str, Target]:
        """Do so for every function that may be invoked."""
        return {name: self._around_target(target) for name, target in functions}

    def _around_target(self, target: Target) -> Target:
        return target if target.durable is None else replace(target, durable=self.around(target.durable))
