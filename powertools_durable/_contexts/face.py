"""What the contexts of ``def`` and of ``async def`` handlers have in common: nothing here takes time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Never, ParamSpec, TypeVar, TypeVarTuple

from powertools_durable import _contexts as contexts
from powertools_durable._contexts.core import ContextCore, bound, missing_attribute
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

__all__ = ["Face"]

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Face:
    """The part of a context that users hold which needs no driver."""

    __slots__ = ("_core",)

    def __init__(self, session: Session, frame: Frame) -> None:
        self._core = ContextCore(session, frame, type(self))

    def _here(self) -> ContextCore:
        """Return the context as seen from the code that runs."""
        return self._core

    def _replay_state(self) -> ReplayState:
        """Return the state of the code that runs."""
        return self._core.frame.replay_state

    def __repr__(self) -> str:
        place = f"in context {self._core.frame.context_id[:8]}" if self._core.frame.context_id else "at the root"
        return f"<{type(self).__name__} {place}, {self.execution_mode.value.lower()}>"

    if not TYPE_CHECKING:  # for a checker there is no such attribute

        def __getattr__(self, name: str) -> Any:
            """Raise, and say where attributes of Lambda's context are."""
            raise missing_attribute(self, name)

    # -- the end of the execution -------------------------------------------------------------------------

    def defer(self, func: Callable[[*Ts], object], *args: *Ts, **unknown: Never) -> None:
        """Run a function once, as a step, when the execution ends, but not when it suspends.

        Deferred calls run last in, first out, all of them, after success and after failure. The first that fails
        after success fails the execution; any other failure is logged.

        Raises
        ------
        ValidationError
            Called on a child context: its code does not run again on every replay.
        """
        contexts.calls.defer(self._here(), func, args, unknown)

    def deferred_calls(self) -> Composite[list[Exception]] | None:
        """Return the series that runs the deferred calls; None without any."""
        return contexts.calls.run_deferred(self._core) if self._core.deferred else None

    @property
    def compensation_count(self) -> int:
        """How many compensations are registered in this context and have not run yet."""
        return len(self._core.compensations)

    # -- changing code in flight, and batch mode ----------------------------------------------------------

    def deprecate_patch(self, name: str) -> None:
        """Declare that no execution takes the old path of a change any more, but its marker may still be recorded.

        Remove the call when all executions that were started before it have ended.
        """
        contexts.calls.deprecate_patch(self._here(), name)

    def enable_batch_mode(self) -> None:
        """Hold back updates of this context's steps, to send them together.

        They are sent by `flush_batch`, by any operation that needs an answer, at a suspension and at the end.
        Steps since the last flush may run again after a crash; at-most-once steps are exempt.
        Nothing is held back while tasks or operations of an ``async def`` handler run side by side: a replay would
        hand over their results in another order.

        Raises
        ------
        ValidationError
            Called where no durable call may be made, such as inside a step.
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
        """How many updates of batch mode are not sent yet."""
        return self._core.session.engine.deferred

    # -- the same value on every replay -------------------------------------------------------------------

    def uuid4(self) -> UUID:
        """Return a UUID that is random between executions and calls, and the same on every replay.

        This is not an operation: the UUID is derived from the execution's ARN, this context and the call's number.

        Raises
        ------
        ValidationError
            Called where no durable call may be made, such as inside a step: such code does not run on every replay,
            so the number of the next call would differ.
        """
        return self._here().uuid4()

    @property
    def random(self) -> Random:
        """A `random.Random` that draws the same numbers on every replay. Not for secrets.

        Drawing from it raises `ValidationError` where no durable call may be made, such as inside a step.
        """
        return self._here().random()

    # -- identity and state -------------------------------------------------------------------------------

    @property
    def execution_arn(self) -> str:
        """ARN of the durable execution; the same for its whole life."""
        return self._core.session.engine.state.durable_execution_arn

    @property
    def parent_id(self) -> str | None:
        """Id of the operation whose context this is; None at the root."""
        return self._core.frame.context_id

    @property
    def lambda_context(self) -> Any:
        """The context that Lambda gave to this invocation."""
        return self._core.session.lambda_context

    @property
    def remaining_time(self) -> timedelta:
        """How long this invocation may still run."""
        return timedelta(seconds=self._core.session.deadline.left)

    @property
    def started_at(self) -> datetime:
        """When the execution started: the same on every replay."""
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
        """The newest token of this invocation; the engine owns the chain."""
        return self._core.session.engine.token

    @property
    def state(self) -> ExecutionState:
        """All records, where Powertools looks for them."""
        return self._core.session.engine.state

    @property
    def replay_engine(self) -> ReplayEngine:
        """The engine: look records up with ``get(id)`` and ``check_result(id)``."""
        return self._core.session.engine

    @property
    def backend(self) -> DurableBackend:
        """The backend of the two API calls."""
        return self._core.session.backend

    # -- telemetry ----------------------------------------------------------------------------------------

    @property
    def logger(self) -> Any:
        """The logger of ``logger=``; without one Powertools' logger, or else the one of the handler's module."""
        from powertools_durable.integrations.loggers import logger_for

        program = self._core.session.program
        return logger_for(program.handler, program.logger)

    @property
    def tracer(self) -> Any:
        """The Tracer of ``tracer=``; None without one."""
        return self._core.session.program.tracer

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return *function*, wrapped so that it belongs to this execution on a thread of your own.

        Logs and traces of that thread are then assigned to this execution; durable calls are not allowed there.
        """
        return bound(function)
