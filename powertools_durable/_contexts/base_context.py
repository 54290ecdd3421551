"""The common part of the contexts of ``def`` and ``async def`` handlers: everything that does not wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Never, ParamSpec, TypeVar, TypeVarTuple

from powertools_durable import _contexts as contexts
from powertools_durable._contexts.core import ContextCore, bind_variables, missing_attribute
from powertools_durable.scope import ExecutionMode, ReplayState

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

    from powertools_durable._replay.effects import Composite
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.state import ExecutionState
    from powertools_durable._runtime.session import Session
    from powertools_durable.backends.base import DurableBackend

__all__ = ["BaseContext"]

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class BaseContext:
    """The attributes and methods of a public context that need no driver."""

    __slots__ = ("_core",)

    def __init__(self, session: Session, frame: Frame) -> None:
        self._core = ContextCore(session, frame, type(self))

    def _here(self) -> ContextCore:
        """Return the core for the running code; in async code each task has its own."""
        return self._core

    def _replay_state(self) -> ReplayState:
        """Return the replay state of the running code."""
        return self._core.frame.replay_state

    def __repr__(self) -> str:
        place = f"in context {self._core.frame.context_id[:8]}" if self._core.frame.context_id else "at the root"
        return f"<{type(self).__name__} {place}, {self.execution_mode.value.lower()}>"

    if not TYPE_CHECKING:  # so that type checkers report unknown attributes

        def __getattr__(self, name: str) -> Any:
            """Raise `AttributeError`; the message shows where attributes of Lambda's context are."""
            raise missing_attribute(self, name)

    # -- the end of the execution -------------------------------------------------------------------------

    def defer(self, func: Callable[[*Ts], object], *args: *Ts, **unknown: Never) -> None:
        """Run a function once, as a step, when the execution ends, but not when it suspends.

        All deferred calls run, after success and after failure, in last-in, first-out order. If the handler has
        succeeded, the first deferred call that fails makes the execution fail; any other failure is logged.

        Raises
        ------
        ValidationError
            The method is called on a child context, whose code does not run again on every replay.
        """
        contexts.calls.defer(self._here(), func, args, unknown)

    def deferred_calls(self) -> Composite[list[Exception]] | None:
        """Return the series that runs the deferred calls; None if there are none."""
        return contexts.calls.run_deferred(self._core) if self._core.deferred else None

    @property
    def compensation_count(self) -> int:
        """Number of compensations that are registered in this context and have not run yet."""
        return len(self._core.compensations)

    # -- changing code in flight, and batch mode ----------------------------------------------------------

    def deprecate_patch(self, name: str) -> None:
        """Declare that no execution takes the old path of a change any more, but its marker may still be recorded.

        Remove the call when all executions that were started before it have ended.
        """
        contexts.calls.deprecate_patch(self._here(), name)

    def enable_batch_mode(self) -> None:
        """Hold back updates of this context's steps, to send them together.

        They are sent by `flush_batch`, by any operation that needs an answer, at a suspension and at the end. After a
        crash, steps that ran since the last flush may run again, except at-most-once steps. While tasks or operations
        of an ``async def`` handler run concurrently, nothing is held back: a replay would return their results in
        another order.

        Raises
        ------
        ValidationError
            The method is called where no durable call may be made, such as inside a step.
        """
        core = self._here()
        core.guard("enable_batch_mode")
        core.frame.batch_mode = True

    @property
    def is_batch_mode(self) -> bool:
        """True once batch mode is enabled here."""
        return self._here().frame.batch_mode

    @property
    def pending_update_count(self) -> int:
        """Number of updates that batch mode holds back."""
        return self._core.session.engine.deferred

    # -- the same value on every replay -------------------------------------------------------------------

    def uuid4(self) -> UUID:
        """Return a UUID that differs between executions and calls, and is the same on every replay.

        This is not an operation: the UUID is derived from the execution's ARN, this context and the call's number.

        Raises
        ------
        ValidationError
            The method is called where no durable call may be made, such as inside a step: that code does not run on
            every replay, so later calls would return other UUIDs.
        """
        return self._here().uuid4()

    @property
    def random(self) -> Random:
        """A `random.Random` that draws the same numbers on every replay. Do not use it for secrets.

        Drawing from it raises `ValidationError` where no durable call may be made, such as inside a step.
        """
        return self._here().random()

    # -- identity and state -------------------------------------------------------------------------------

    @property
    def execution_arn(self) -> str:
        """ARN of the durable execution."""
        return self._core.session.engine.state.durable_execution_arn

    @property
    def parent_id(self) -> str | None:
        """Id of the operation that this context belongs to; None for the handler's own context."""
        return self._core.frame.context_id

    @property
    def lambda_context(self) -> Any:
        """The context object that Lambda passed to this invocation."""
        return self._core.session.lambda_context

    @property
    def remaining_time(self) -> timedelta:
        """The time that is left in this invocation."""
        return timedelta(seconds=self._core.session.deadline.left)

    @property
    def started_at(self) -> datetime:
        """Start time of the execution, the same on every replay."""
        return self._core.session.started_at

    @property
    def execution_mode(self) -> ExecutionMode:
        """Whether this context's code is replaying. For telemetry, not for branching."""
        replaying = self._replay_state() in (ReplayState.REPLAY, ReplayState.SEALED)
        return ExecutionMode.REPLAYING if replaying else ExecutionMode.EXECUTING

    @property
    def is_replaying(self) -> bool:
        """True while `execution_mode` is ``REPLAYING``."""
        return self.execution_mode is ExecutionMode.REPLAYING

    @property
    def checkpoint_token(self) -> str:
        """The newest checkpoint token of this invocation."""
        return self._core.session.engine.token

    @property
    def state(self) -> ExecutionState:
        """All records; Powertools reads them here."""
        return self._core.session.engine.state

    @property
    def replay_engine(self) -> ReplayEngine:
        """The replay engine; read records with ``get(id)`` and ``check_result(id)``."""
        return self._core.session.engine

    @property
    def backend(self) -> DurableBackend:
        """The backend that makes the two API calls."""
        return self._core.session.backend

    # -- telemetry ----------------------------------------------------------------------------------------

    @property
    def logger(self) -> Any:
        """The logger passed as ``logger=``; by default the Powertools logger, or else that of the handler's module."""
        from powertools_durable.integrations.loggers import logger_for

        program = self._core.session.program
        return logger_for(program.handler, program.logger)

    @property
    def tracer(self) -> Any:
        """The Tracer passed as ``tracer=``; None by default."""
        return self._core.session.program.tracer

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return *function*, wrapped so that it belongs to this execution on a thread of your own.

        Logs and traces of that thread are then assigned to this execution; durable calls are not allowed there.
        """
        return bind_variables(function)
