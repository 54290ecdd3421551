"""Performs effects by blocking: the driver of ``def`` handlers.

The handler and every body run on the thread that Lambda called, so thread-local state and context variables work as
usual. A suspension is an exception that unwinds the stack of that thread. Only the body of a step with a ``timeout``
runs on its own thread, because only there can it be abandoned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from powertools_durable._functions import IN_A_DEF_HANDLER, IS_THE_HANDLER, require_finished
from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Composite,
    Ending,
    Enter,
    FanOut,
    Flow,
    Flush,
    Outcome,
    Perform,
    Raised,
    Returned,
    Run,
    Suspend,
    Suspended,
    Transfer,
)
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.driving import Driving
from powertools_durable._runtime.environment import Environment, Performer, Probe
from powertools_durable._runtime.placement import Placement
from powertools_durable._runtime.pool import BranchPool, Coordinator
from powertools_durable._runtime.reports import warn_of_replaced, warn_of_swallowed
from powertools_durable._runtime.scopes import Scopes
from powertools_durable._runtime.signals import STOPS_SERIES, UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.unconsumed import check_context_end
from powertools_durable.errors import (
    BackendError,
    StepTimeoutError,
    SuspendExecution,
    ValidationError,
)
from powertools_durable.scope import SCOPE, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._runtime.observers import Observers

__all__ = ["BlockingDriver"]

T = TypeVar("T")


class BlockingDriver(Driving):
    """Performs flows on the calling thread.

    Attributes
    ----------
    performer : Performer
        Answers the effects: this driver itself in an invocation, another object where `Environment.performer` says so.
    """

    def __init__(
        self,
        engine: ReplayEngine,
        checkpointer: Checkpointer,
        deadline: Deadline,
        scopes: Scopes,
        *,
        environment: Environment,
        max_threads: int,
        observers: Observers | None = None,
    ) -> None:
        super().__init__(engine, checkpointer, deadline, scopes, environment=environment, observers=observers)
        self.pool = BranchPool(0 if environment.inline else max_threads, checkpointer, environment.threads)
        self.placement = Placement(engine, checkpointer, environment.probe)
        self.performer: Performer = self if environment.performer is None else environment.performer(self)
        self._is_watched = self.performer is not self or self.is_observed

    # -- may this call be made here and now? ---------------------------------------------------------------

    def guard(self, frame: Frame, call: str) -> None:
        """Refuse a durable call that would be recorded at the wrong place, before it takes an id.

        Raises
        ------
        SuspendExecution
            The code has swallowed this signal, so it is raised again.
        CheckpointingStopped, NonDeterminismError
            The invocation has failed with this error.
        BranchOrphaned
            The fan-out around this branch is complete.
        ValidationError
            The call is made inside a step, on another thread, with the wrong context, or after the context's end; see
            `Placement`.
        """
        scope = SCOPE.get()
        if (
            scope is None
            or scope.where is not frame
            or frame.busy_with is not None
            or frame.closed
            or frame.owner != threading.get_ident()
        ):
            self.placement.check(frame, call, scope)
        if frame.suspension is not None or self.engine.interruption is not None or frame.is_orphaned:
            self.placement.require_open(frame, call)

    # -- performing ----------------------------------------------------------------------------------------

    def drive(self, call: Call[T]) -> T:  # noqa: C901 - an arm for each effect
        """Perform the effects of *call* until it returns or raises."""
        frame, op, flow = call.frame, call.op, call.flow
        answer: object = None
        performer = self.performer
        if self._is_watched:
            flow = performer.begin(call)
        frame.busy_with, frame.busy_on = op, threading.get_ident()
        try:
            while True:
                match flow.send(answer):
                    case Checkpoint() as effect:
                        self.log_failure(frame, op, effect)
                        performer.checkpoint(frame, effect)
                        answer = None
                    case Attempt() as effect:
                        answer = performer.attempt(frame, op, effect)
                    case Transfer() as effect:
                        answer = self.transfer(op.label, effect)
                    case Enter() as effect:
                        answer = performer.enter(frame, effect)
                    case FanOut() as effect:
                        with self.limit_failure_lines(op, effect):
                            answer = performer.fan_out(frame, effect)
                    case Suspend(until):
                        raise frame.suspend_until(until, op)  # noqa: TRY301 - an effect like the others
        except StopIteration as done:
            value: T = done.value
        except Exception:
            self._end(frame)
            raise
        finally:
            flow.close()
            frame.busy_with = None
        self._end(frame)
        return value

    def begin(self, call: Call[T]) -> Flow[T]:
        """Return the flow of *call*, wrapped for plugins."""
        return self.observe_call(call.frame, call.op, call.flow)

    def _end(self, frame: Frame) -> None:
        frame.end()
        if self.observers is not None:
            self.observers.check_replay_end(frame)

    def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Queue an update; if the effect waits for it, return after the service has acknowledged it."""
        deferred = effect.deferrable and frame.batch_mode
        waits = effect.wait and not deferred
        try:
            waiter = self.checkpointer.submit(frame, effect.update, wait=waits, deferred=deferred, closes=effect.closes)
            if waiter is not None:
                self.checkpointer.await_(waiter)
        except SuspendExecution as revoked:
            raise frame.suspend(revoked) from None
        if waits and frame.is_orphaned:  # the end of an enclosing fan-out was in the same request
            raise BranchOrphaned

    def flush(self, frame: Frame) -> None:
        """Send everything that is queued, and wait for the response."""
        try:
            self.checkpointer.flush(frame)
        except SuspendExecution as revoked:
            raise frame.suspend(revoked) from None

    def attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:
        """Run the body of a step."""
        ends = self.deadline.moment
        if effect.timeout is not None:
            ends = min(ends, ends + timedelta(seconds=effect.timeout - self.deadline.left))
        body = effect.body
        if self._probe is not None:
            body = partial(self._probe.attempt, body, partial(self.flush, frame))
        token = SCOPE.set(self.scopes.of_step(frame, op, effect.number, ends))
        try:
            value = body() if effect.timeout is None else self._run_with_timeout(effect.timeout, body, op)
            return Returned(require_finished(value, effect.body, IN_A_DEF_HANDLER))
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the step's policy decides about it
            return Raised(error)
        finally:
            SCOPE.reset(token)

    def enter(self, outer: Frame, effect: Enter) -> Outcome:
        """Run the code of a context below *outer*; if it is suspended, suspend *outer* too."""
        ending = self.run_context(effect)
        if isinstance(ending, Suspended):
            raise outer.suspend(ending.signal)
        return ending

    def run_context(self, effect: Enter) -> Ending:
        """Run the code of a context; then check that it has used all its records."""
        frame = effect.frame
        ending = self.run(frame, partial(self.run_body, effect), self.scopes.of_context(frame))
        if isinstance(ending, Suspended):
            return ending
        if self.engine.interruption is not None:
            self.placement.require_open(frame, "run_in_child_context")
        if isinstance(ending, Returned):
            check_context_end(frame)
        elif self.failures is not None:
            self.failures.log_virtual_context(frame, ending.error)
        return ending

    def run_body(self, effect: Enter) -> Any:
        """Call the code of a context, or perform the series that is its code."""
        if callable(effect.body):
            return effect.body(effect.frame)
        match self.run_series(Composite(effect.frame, effect.body)):
            case Returned(value):
                return value
            case Raised(error):
                raise error

    def run_series(self, composite: Composite[T]) -> T:
        """Perform a series: the user's code and durable calls, in turn."""
        frame, flow = composite.frame, composite.flow
        answer: object = None
        try:
            while True:
                match flow.send(answer):
                    case Run(body, to_the_end):
                        answer = _outcome_of(
                            partial(_run_finished, body, is_handler=to_the_end),
                            STOPS_SERIES if to_the_end else UNRECOVERABLE,
                        )
                    case Perform() as effect:
                        answer = _outcome_of(partial(self._perform_call, frame, effect), STOPS_SERIES)
                    case Flush():
                        self.flush(frame)
                        answer = None
        except StopIteration as done:
            value: T = done.value
        finally:
            flow.close()
        return value

    def _perform_call(self, frame: Frame, effect: Perform) -> Any:
        if frame.suspension is not None or self.engine.interruption is not None or frame.is_orphaned:
            self.placement.require_open(frame, effect.method)
        if effect.after is not None and self.failures is not None:  # an error during a suspension is not a failure
            self.failures.log_retried_calls(frame, effect.after)
        return self.drive(effect.begin())

    def fan_out(self, outer: Frame, effect: FanOut) -> Outcome:
        """Run branches until their plan is complete."""
        try:
            return Returned(Coordinator(effect, self, self._environment.clock).run())
        except SuspendExecution as signal:
            raise outer.suspend(signal) from None
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - raised by a completion rule, which is user code
            return Raised(error)

    def close(self, *, wait: bool = True) -> None:
        """End the threads of orphaned branches, then the sender.

        Without *wait*, bodies that still run are abandoned; nothing of theirs is recorded any more.
        """
        self.pool.close(self.deadline, wait=wait)
        self.checkpointer.close(wait=wait)

    def run_handler(self, handler: Composite[Any], scope: ScopeInfo) -> Ending:
        """Run the handler, then its deferred calls."""
        return self.performer.run(handler.frame, partial(self.run_series, handler), scope)

    def run(self, frame: Frame, body: Callable[[], Any], scope: ScopeInfo) -> Ending:
        """Run the code of a context: of the handler or of a child context. Afterwards the context is closed."""
        frame.owner = threading.get_ident()
        token = SCOPE.set(scope)
        try:
            value = body() if self._probe is None else _run_probed(self._probe, frame, body)
            if frame.suspension is None:
                return Returned(value)
            warn_of_swallowed(frame)
            return Suspended(frame.suspension)
        except UNRECOVERABLE as error:
            if frame.suspension is None or isinstance(error, MemoryError):
                raise
            if self.engine.interruption is None:
                warn_of_replaced(error)
            return Suspended(frame.suspension)
        except SuspendExecution as signal:
            if frame.suspension is None:  # raised by user code: nothing would resume this execution
                message = "SuspendExecution was raised by code that is not a durable operation"
                raise ValidationError(message) from signal
            return Suspended(frame.suspension)
        except Exception as error:  # noqa: BLE001 - the context's operation decides about it
            if frame.suspension is None:
                return Raised(error)
            warn_of_replaced(error)
            return Suspended(frame.suspension)
        finally:
            frame.closed = True
            SCOPE.reset(token)

    def _run_with_timeout(self, seconds: float, body: Callable[[], Any], op: OperationHandle) -> Any:
        """Run *body* on its own thread and abandon it after *seconds*; a late result is discarded."""
        done = self._environment.threads.signal()
        results: list[Returned | BaseException] = []

        def work() -> None:
            try:
                results.append(Returned(body()))
            except BaseException as error:  # noqa: BLE001 - raised again where the step was called
                results.append(error)
            done.set()

        self._environment.threads.spawn(partial(copy_context().run, work), f"powertools-durable-step-{op.id[:8]}")
        patience = self.deadline.patience
        if not done.wait(min(seconds, patience)):
            if patience < seconds:
                late = BackendError(f"the invocation ends while {op.label} still runs", retryable=True)
                self.engine.interrupt(late)
                raise CheckpointingStopped(late)
            message = f"{op.label} did not finish within its timeout of {seconds:g} s"
            raise StepTimeoutError(message)
        result = results[0]
        if isinstance(result, BaseException):
            raise result
        return result.value


def _outcome_of(code: Callable[[], Any], passes: tuple[type[Exception], ...]) -> Outcome:
    """Run *code* and return its outcome; errors in *passes* are raised, because no flow may handle them."""
    try:
        return Returned(code())
    except passes:
        raise
    except Exception as error:  # noqa: BLE001 - the flow decides about it
        return Raised(error)


def _run_finished(body: Callable[[], Any], *, is_handler: bool) -> Any:
    return require_finished(body(), body, IS_THE_HANDLER if is_handler else IN_A_DEF_HANDLER)


def _run_probed(probe: Probe, frame: Frame, body: Callable[[], Any]) -> Any:
    """Run *body*; tell the probe that it has ended, and whether it swallowed or replaced a suspension."""
    try:
        value = body()
    except Exception:
        if frame.suspension is not None:
            probe.swallowed(frame)
        raise
    finally:
        probe.context_ended(frame)
    if frame.suspension is not None:
        probe.swallowed(frame)
    return value
