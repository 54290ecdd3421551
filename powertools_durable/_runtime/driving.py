"""The common part of the drivers of ``def`` and ``async def`` handlers: plugins, the probe and the log of failures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from powertools_durable._replay.effects import Checkpoint, FanOut, Flow, Outcome, Raised, Returned, Transfer
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import RetryableSerDesError

if TYPE_CHECKING:
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._runtime.checkpointer import Checkpointer
    from powertools_durable._runtime.deadline import Deadline
    from powertools_durable._runtime.environment import Environment
    from powertools_durable._runtime.failures import Failures
    from powertools_durable._runtime.observers import Observers
    from powertools_durable._runtime.scopes import Scopes
    from powertools_durable._runtime.unconsumed import FirstCall

__all__ = ["Driving", "late_transfer", "outcome_of"]

T = TypeVar("T")


class Driving:
    """The parts of one invocation that both drivers use.

    Attributes
    ----------
    observers : Observers | None
        The plugins that observe operations, if there are any.
    propagation : Observers | None
        The plugins that may have a trace header for other functions.
    is_observed : bool
        Somebody wants to know of each call.
    failures : Failures | None
        Logs failures; None in a context without an invocation.
    first_calls : Sequence
        Operations that are called for the first time in a later invocation, with code and line; noted for ``async def``
        handlers only, whose operations are not found by their order.
    """

    def __init__(
        self,
        engine: ReplayEngine,
        checkpointer: Checkpointer,
        deadline: Deadline,
        scopes: Scopes,
        *,
        environment: Environment,
        observers: Observers | None,
    ) -> None:
        self.engine = engine
        self.checkpointer = checkpointer
        self.deadline = deadline
        self.scopes = scopes
        self.observers = observers if observers is not None and observers.observes_operations else None
        self.propagation = observers
        self.failures: Failures | None = None
        self.first_calls: Sequence[FirstCall] = ()
        self._environment = environment
        self._probe = environment.probe
        self._sights = environment.sights
        self.is_observed = not (self.observers is None and self._probe is None and self._sights is None)

    def observe_call(self, frame: Frame, op: OperationHandle, flow: Flow[T]) -> Flow[T]:
        """Return the flow of an operation called in *frame*, wrapped for plugins; the replay may end with this call."""
        if self.observers is not None:
            self.observers.check_replay_end(frame)
        return self.observe(op, flow)

    def observe(self, op: OperationHandle, flow: Flow[T]) -> Flow[T]:
        """Return *flow*, wrapped for plugins if there are any."""
        if self._probe is not None:
            self._probe.operation_called(op)
        if self._sights is not None:
            self._sights.called(op)
        return flow if self.observers is None else self.observers.observe(op, flow)

    def trace_header(self, op: OperationHandle, function_name: str) -> str | None:
        """Return the trace header for a function that *op* is about to invoke, if a plugin has one."""
        return None if self.propagation is None else self.propagation.trace_header(op, function_name)

    def transfer(self, label: str, effect: Transfer) -> Outcome:
        """Write or read a value, and wait for it, but not past the deadline; then the work is abandoned.

        *label* names the operation in the error.
        """
        if self._environment.inline:
            return outcome_of(effect)
        done = self._environment.threads.signal()
        outcomes: list[Outcome] = []

        def work() -> None:
            outcomes.append(outcome_of(effect))
            done.set()

        try:
            self._environment.threads.spawn(partial(copy_context().run, work), "powertools-durable-transfer")
        except RuntimeError:  # no more threads
            return outcome_of(effect)
        return outcomes[0] if done.wait(self.deadline.patience) else late_transfer(label)

    def log_failure(self, frame: Frame, op: OperationHandle, effect: Checkpoint) -> None:
        """Log a failure that is about to be recorded."""
        if effect.failure is not None and self.failures is not None:
            self.failures.log_recorded(frame, effect, op.losses)

    def limit_failure_lines(self, op: OperationHandle, effect: FanOut) -> AbstractContextManager[None]:
        """Limit the number of failures that are logged for a fan-out during the block."""
        if self._sights is not None:
            self._sights.fanned_out(op, len(effect.plan.indexes))
        if self.failures is None:
            return nullcontext()
        return self.failures.limit_lines(effect.frame, op.name or op.id[:8])


def outcome_of(effect: Transfer) -> Outcome:
    """Perform *effect*."""
    try:
        return Returned(effect.work())
    except Exception as error:  # noqa: BLE001 - the flow decides about it
        return Raised(error)


def late_transfer(label: str) -> Outcome:
    """Return the outcome of a transfer that was abandoned."""
    return Raised(RetryableSerDesError(f"{label}: the invocation ends while a value is being written or read"))
