"""What every context has and nothing waits for: identity, state, batch mode, determinism helpers, logger."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from powertools_durable import _operations as operations
from powertools_durable.errors.wording import class_name
from powertools_durable.scope import ExecutionMode, ReplayState

if TYPE_CHECKING:  # decorating loads them: what a handler's annotations need is loaded with the context
    from random import Random

    from powertools_durable._operations.compensation import Compensation, Undo
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable._replay.state import ExecutionState
    from powertools_durable._runtime.session import Session
    from powertools_durable.backends.base import DurableBackend

__all__ = ["LAMBDA_NAMES", "BaseContext"]

LAMBDA_NAMES = frozenset(
    {
        *("aws_request_id", "log_group_name", "log_stream_name", "function_name", "function_version"),
        *("invoked_function_arn", "memory_limit_in_mb", "identity", "client_context", "tenant_id"),
        "get_remaining_time_in_millis",
    }
)
"""What the context of Lambda's runtime has."""

P = ParamSpec("P")
R = TypeVar("R")


class BaseContext:
    """One context of an execution: the handler's, or a child's."""

    __slots__ = ("_compensations", "_deferred", "_frame", "_random", "_session", "_uuids")

    def __init__(self, session: Session, frame: Frame) -> None:
        self._session = session
        self._frame = frame
        self._compensations: list[Compensation | Undo] = []
        self._deferred: list[Callable[[], object]] = []
        self._random: Random | None = None
        self._uuids = 0

    def __repr__(self) -> str:
        place = f"in context {self._frame.context_id[:8]}" if self._frame.context_id else "at the root"
        return f"<{type(self).__name__} {place}, {self.execution_mode.value.lower()}>"

    if not TYPE_CHECKING:  # for a checker there is no such attribute

        def __getattr__(self, name: str) -> Any:
            """Say where what Lambda's context has is."""
            if name in LAMBDA_NAMES:
                also = " (or ctx.remaining_time)" if name == "get_remaining_time_in_millis" else ""
                message = (
                    f"{class_name(self)} has no attribute {name!r}, which is one of Lambda's own context: "
                    f"write ctx.lambda_context.{name}{also}"
                )
                raise AttributeError(message, name=name, obj=self)
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=self)

    # -- identity ------------------------------------------------------------------------------------------

    @property
    def execution_arn(self) -> str:
        """ARN of the durable execution; the same for its whole life."""
        return self._session.engine.state.durable_execution_arn

    @property
    def parent_id(self) -> str | None:
        """Id of the operation whose context this is; None at the root."""
        return self._frame.context_id

    @property
    def lambda_context(self) -> Any:
        """The context that Lambda gave to this invocation."""
        return self._session.lambda_context

    @property
    def remaining_time(self) -> timedelta:
        """How long this invocation may still run."""
        return timedelta(seconds=self._session.deadline.left)

    @property
    def started_at(self) -> datetime:
        """When the execution started: the same on every replay."""
        return self._session.started_at

    # -- state ---------------------------------------------------------------------------------------------

    @property
    def execution_mode(self) -> ExecutionMode:
        """Whether this context's code runs again in front of its records. For telemetry, not for branching."""
        replaying = self._frame.replay_state in (ReplayState.REPLAY, ReplayState.SEALED)
        return ExecutionMode.REPLAYING if replaying else ExecutionMode.EXECUTING

    @property
    def is_replaying(self) -> bool:
        """True while `execution_mode` is ``REPLAYING``."""
        return self.execution_mode is ExecutionMode.REPLAYING

    @property
    def checkpoint_token(self) -> str:
        """The newest token of this invocation; the engine owns the chain."""
        return self._session.engine.token

    @property
    def state(self) -> ExecutionState:
        """All records, as Powertools looks for them."""
        return self._session.engine.state

    @property
    def replay_engine(self) -> ReplayEngine:
        """The engine: look records up with ``get(id)`` and ``check_result(id)``."""
        return self._session.engine

    @property
    def backend(self) -> DurableBackend:
        """What the two API calls go to."""
        return self._session.backend

    @property
    def compensation_count(self) -> int:
        """How many compensations `step_with_compensation` registered in this context and none has run yet."""
        return len(self._compensations)

    # -- batch mode ----------------------------------------------------------------------------------------

    def enable_batch_mode(self) -> None:
        """Let updates of this context's steps wait for company.

        They are sent by `flush_batch`, by any operation that needs an answer, at a suspension and at the end.
        Steps since the last flush may run again after a crash; at-most-once steps are exempt.

        Raises
        ------
        ValidationError
            Called where no durable call may be made, such as inside a step.
        """
        self._guard("enable_batch_mode")
        self._frame.batch_mode = True

    @property
    def is_batch_mode(self) -> bool:
        """True once batch mode is enabled here."""
        return self._frame.batch_mode

    @property
    def pending_update_count(self) -> int:
        """How many updates of batch mode are not sent yet."""
        return self._session.engine.deferred

    # -- the same value on every replay --------------------------------------------------------------------

    def uuid4(self) -> UUID:
        """Return a UUID that is random between executions and calls, and the same on every replay.

        No operation and no checkpoint: it is made of the execution's ARN, this context and the call's number.

        Raises
        ------
        ValidationError
            Called where no durable call may be made, such as inside a step: such code does not run on every replay,
            so the number of the next call would differ.
        """
        self._guard("uuid4")
        self._uuids += 1
        return UUID(bytes=self._seed(f"uuid-{self._uuids}", 16), version=4)

    @property
    def random(self) -> Random:
        """A `random.Random` that draws the same numbers on every replay. Not for secrets.

        Drawing from it raises `ValidationError` where no durable call may be made, such as inside a step.
        """
        if self._random is None:
            from powertools_durable._contexts.randomness import GuardedRandom

            self._random = GuardedRandom(self._seed("random", 32), self._guard)
        return self._random

    def _guard(self, call: str) -> None:
        """Refuse what keeps a position or a state where the code of this context does not run."""
        self._session.driver.guard(self._frame, call)

    def _seed(self, purpose: str, size: int) -> bytes:
        text = f"{self.execution_arn}/{self._frame.context_id or ''}/{purpose}"
        return blake2b(text.encode(), digest_size=size).digest()

    # -- telemetry -----------------------------------------------------------------------------------------

    @property
    def logger(self) -> Any:
        """The logger itself, for code that has none: that of ``logger=``, else Powertools', else the module's."""
        from powertools_durable.integrations.loggers import logger_for

        program = self._session.program
        return logger_for(program.handler, program.logger)

    @property
    def tracer(self) -> Any:
        """The Tracer of ``tracer=``; None without one."""
        return self._session.program.tracer

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return *function* as one that knows this execution when a thread of your own runs it.

        Logs and traces of that thread are then told apart; durable calls are not allowed there.
        """
        copied = copy_context()

        @wraps(function)
        def bound(*args: P.args, **kwargs: P.kwargs) -> R:
            return copied.copy().run(function, *args, **kwargs)

        return bound

    # -- for the faces -------------------------------------------------------------------------------------

    def deferred_calls(self) -> list[Callable[[], object]]:
        """Return what `defer` was given, the last one first; for whoever ends the execution."""
        return self._deferred[::-1]

    def _register(self, op: OperationHandle, value: Any, undo: Callable[..., Any]) -> None:
        self._compensations.append(operations.compensation.Compensation(op.name, value, undo))
