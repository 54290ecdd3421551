"""What the hooks of plugins are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from powertools_durable._protocol.operation import ErrorObject

__all__ = [
    "AttemptEnd",
    "AttemptInfo",
    "BackendCalls",
    "ChangeInfo",
    "ErrorObject",
    "InvocationEnd",
    "InvocationInfo",
    "OperationEnd",
    "OperationInfo",
    "PropagationInfo",
    "ReplayInfo",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCalls:
    """The API calls of an invocation so far.

    Attributes
    ----------
    checkpoints : int
        Answered calls of CheckpointDurableExecution.
    state_pages : int
        Pages read by GetDurableExecutionState.
    seconds : float
        What the answered checkpoints took, together.
    throttled, failed : int
        Calls that were refused for being too many, and calls that failed otherwise; those that were repeated count.
    """

    checkpoints: int = 0
    state_pages: int = 0
    seconds: float = 0.0
    throttled: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationInfo:
    """One call of the Lambda function.

    Attributes
    ----------
    execution_arn, execution_name : str
        The execution.
    request_id : str | None
        Of this invocation; another for each.
    is_first : bool
        No earlier invocation recorded anything.
    started_at : datetime | None
        When the execution began.
    lambda_context : object
        Lambda's context, as `durable` got it. In no repr.
    input : object
        The execution's input, as the handler gets it; None when it did not fit the model. In no repr.
    operations : Mapping[str, OperationInfo]
        All records by id, the execution's own included, each as it is when it is looked at. In no repr.
    updated : Mapping[str, OperationInfo]
        Those that the service changed since the invocation before, as it says; an id without a record is missing.
        In no repr.
    """

    execution_arn: str
    execution_name: str
    request_id: str | None
    is_first: bool
    started_at: datetime | None
    lambda_context: Any = field(default=None, repr=False, compare=False)
    input: Any = field(default=None, repr=False, compare=False)
    operations: Mapping[str, OperationInfo] = field(default_factory=dict, repr=False, compare=False)
    updated: Mapping[str, OperationInfo] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationEnd(InvocationInfo):
    """How it ended.

    Attributes
    ----------
    outcome : str
        ``SUCCEEDED``, ``FAILED``, ``PENDING`` when the execution waits, ``RETRY`` when Lambda shall invoke again.
    error : ErrorObject | None
        Why it failed, or what makes the invocation be repeated.
    result : str | None
        The execution's result as JSON text; empty when it was too large for the answer. In no repr.
    calls : BackendCalls
        What went over the wire.
    replayed : int
        How many operations returned what an earlier invocation had recorded.
    """

    outcome: str
    error: ErrorObject | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)
    calls: BackendCalls = field(default_factory=BackendCalls)
    replayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayInfo:
    """What was repeated before the first context went on where no code has been.

    Attributes
    ----------
    operations : int
        How many operations returned what an earlier invocation had recorded.
    by_type : Mapping[str, int]
        The same by type: ``{"STEP": 400, "WAIT": 12}``.
    state_pages : int
        Pages of records that were read for it, beyond what came with the event.
    """

    operations: int
    by_type: Mapping[str, int]
    state_pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationInfo:
    """A durable call, or its record.

    Attributes
    ----------
    execution_arn : str
        The execution.
    id, type, sub_type, name, parent_id
        What its record says, or will say.
    status : str | None
        Of its record; None when there is none yet.
    started_at, ended_at : datetime | None
        As the service recorded them; of a context that leaves no record, as this invocation saw them.
    attempt : int | None
        Finished attempts of a step.
    next_attempt_at : datetime | None
        When a step is tried again.
    is_replayed : bool
        An earlier invocation began it.
    result : str | None
        The result as it is recorded, as text; None when there is none. In no repr.
    error : ErrorObject | None
        The recorded failure, also that of an attempt which is tried again. In no repr.
    """

    execution_arn: str
    id: str
    type: str
    sub_type: str | None
    name: str | None
    parent_id: str | None
    status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int | None = None
    next_attempt_at: datetime | None = None
    is_replayed: bool = False
    result: str | None = field(default=None, repr=False)
    error: ErrorObject | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnd(OperationInfo):
    """A durable call whose record has ended: its `status` says how, and `outcome` is the same."""

    @property
    def outcome(self) -> str:
        """The terminal status; ``SUCCEEDED`` or ``FAILED`` for a context that leaves no record."""
        return self.status or "SUCCEEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInfo(OperationInfo):
    """The user's code of an operation runs: a step's body, a condition's check, the code of a context.

    Attributes
    ----------
    attempt : int | None
        The attempt that runs, from 1; None for a context.
    started_at : datetime
        When this code began, in this invocation.
    is_replay_children : bool
        The context has ended, and its code runs only to rebuild a result too large for its record.
    is_replaying : bool
        The context's code begins with what an earlier invocation recorded.
    function : Callable | None
        The function of a step or a condition, without the arguments that it is called with; None for a context. In no
        repr.
    """

    is_replay_children: bool = False
    is_replaying: bool = False
    function: Callable[..., Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd(AttemptInfo):
    """How that code ended.

    Attributes
    ----------
    outcome : str
        ``SUCCEEDED``, ``FAILED``, or ``INCOMPLETE`` when the execution suspended or the invocation was cut off in it.
    ended_at : datetime
        When it did.
    exception : Exception | None
        What it raised; `error` is how that would be recorded. In no repr.
    """

    outcome: Literal["SUCCEEDED", "FAILED", "INCOMPLETE"]
    exception: Exception | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeInfo:
    """Records have changed: by what was sent, by time, or from outside.

    Attributes
    ----------
    updated : Mapping[str, OperationInfo]
        The changed records by id; several changes of one are told as the last.
    operations : Mapping[str, OperationInfo]
        All records by id, each as it is when it is looked at.
    """

    execution_arn: str
    updated: Mapping[str, OperationInfo] = field(repr=False)
    operations: Mapping[str, OperationInfo] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationInfo:
    """Another function is about to be invoked."""

    execution_arn: str
    operation_id: str
    parent_id: str | None
    function_name: str
