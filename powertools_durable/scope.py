"""The one context variable: what is the code that runs now doing?

Telemetry reads it, control flow never does, with one exception: a durable call inside a step body is refused
because the scope says so.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from powertools_durable._frozen import frozen

__all__ = [
    "ExecutionMode",
    "ReplayState",
    "ScopeInfo",
    "StepInfo",
    "current_scope",
    "current_step",
    "current_step_or_none",
]


class ReplayState(StrEnum):
    """Whether a context's code runs again or for the first time (docs/contributing/protocol.md#replaying-or-live)."""

    REPLAY = "REPLAY"
    LIVE = "LIVE"
    UNWINDING = "UNWINDING"
    SEALED = "SEALED"


class ExecutionMode(StrEnum):
    """The seed's two-valued view of `ReplayState`."""

    REPLAYING = "REPLAYING"
    EXECUTING = "EXECUTING"


class HasReplayState(Protocol):
    """A context's state, which changes while its code runs."""

    @property
    def replay_state(self) -> ReplayState: ...


class _Live:
    """The state of step bodies: they never run on replay."""

    replay_state = ReplayState.LIVE


LIVE = _Live()


@frozen(kw_only=True)
class StepInfo:
    """What a step's body may ask about itself.

    Attributes
    ----------
    attempt : int
        1 for the first attempt.
    operation_id : str
        The id of the step's record.
    name : str | None
        The step's name.
    idempotency_key : str
        The same for all attempts and replays of this step, different for every other step of every
        execution: give it to the service you call.
    deadline : datetime | None
        When the invocation, or this step's ``timeout``, ends; None when neither is known.
    """

    attempt: int
    operation_id: str
    name: str | None
    idempotency_key: str
    deadline: datetime | None


@frozen(kw_only=True)
class ScopeInfo:
    """What the running code is doing, for log libraries, profilers and metrics of your own.

    Attributes
    ----------
    execution_arn, execution_name : str
        The execution.
    context_id, parent_id : str | None
        The record of the context that runs, and of the one around it; None at the root.
    operation_id, operation_name, operation_type : str | None
        The operation whose body runs; None in the code of a handler or child context.
    attempt : int | None
        The attempt of that body, from 1.
    """

    execution_arn: str
    execution_name: str
    context_id: str | None = None
    parent_id: str | None = None
    operation_id: str | None = None
    operation_name: str | None = None
    operation_type: str | None = None
    attempt: int | None = None
    step: StepInfo | None = None
    where: HasReplayState = LIVE

    @property
    def replaying(self) -> bool:
        """True while the running code only repeats what an earlier invocation did."""
        return self.where.replay_state in (ReplayState.REPLAY, ReplayState.SEALED)

    @property
    def unwinding(self) -> bool:
        """True while a suspension passes through the running code."""
        return self.where.replay_state is ReplayState.UNWINDING


SCOPE: ContextVar[ScopeInfo | None] = ContextVar("powertools_durable_scope", default=None)

BACKEND_CALL: ContextVar[str | None] = ContextVar("powertools_durable_backend_call", default=None)
"""Which API call of the engine runs, ``checkpoint`` or ``state``: what it does is no work of the user's code."""


def current_scope() -> ScopeInfo | None:
    """Return what the running code is doing; None outside a durable invocation. Safe anywhere."""
    return SCOPE.get()


def current_step() -> StepInfo:
    """Return the step whose body is running.

    Raises
    ------
    ValidationError
        No step's body is running here: `current_step_or_none` returns None in this case.
    """
    step = current_step_or_none()
    if step is None:
        from powertools_durable.errors import ValidationError

        message = (
            "current_step() is called outside a step's body. Call it in the function that ctx.step(...) runs, or "
            "use current_step_or_none() in code that also runs elsewhere"
        )
        raise ValidationError(message)
    return step


def current_step_or_none() -> StepInfo | None:
    """Return the step whose body is running; None elsewhere."""
    scope = SCOPE.get()
    return scope.step if scope else None
