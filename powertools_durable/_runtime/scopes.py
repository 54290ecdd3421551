"""Builds the values of the context variable that says which code is running."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.scope import ReplayState, ScopeInfo, StepInfo

__all__ = ["AuxiliaryCode", "Live", "Scopes"]


class Live:
    """The place of code that counts as live even when its context replays: a step's body, or all code in a mock."""

    __slots__ = ("frame",)
    replay_state = ReplayState.LIVE

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class AuxiliaryCode:
    """The place of user code that is not an operation's function, such as a serdes, on a thread of a fan-out."""

    __slots__ = ("code", "frame")
    replay_state = ReplayState.LIVE

    def __init__(self, frame: Frame, code: object) -> None:
        self.frame = frame
        self.code = code


class Scopes:
    """Builds the scopes of one invocation.

    Parameters
    ----------
    arn : str
        The execution's ARN.
    name : str
        The execution's name.
    always_live : bool
        The code of contexts counts as live even when they replay.
    """

    def __init__(self, arn: str, name: str, *, always_live: bool = False) -> None:
        self._arn = arn
        self._name = name
        self._always_live = always_live

    def of_context(self, frame: Frame) -> ScopeInfo:
        """Return the scope of the handler, or of a child context."""
        return ScopeInfo(
            execution_arn=self._arn,
            execution_name=self._name,
            context_id=frame.context_id,
            parent_id=frame.parent_id,
            where=Live(frame) if self._always_live else frame,
        )

    def of_step(self, frame: Frame, op: OperationHandle, attempt: int, deadline: datetime) -> ScopeInfo:
        """Return the scope of an attempt of a step."""
        key = blake2b(f"{self._arn}/{op.id}".encode(), digest_size=16).hexdigest()
        return ScopeInfo(
            execution_arn=self._arn,
            execution_name=self._name,
            context_id=frame.context_id,
            parent_id=frame.parent_id,
            operation_id=op.id,
            operation_name=op.name,
            operation_type=op.type.value,
            attempt=attempt,
            step=StepInfo(attempt=attempt, operation_id=op.id, name=op.name, idempotency_key=key, deadline=deadline),
            where=Live(frame),
        )
