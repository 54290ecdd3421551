"""Hear what happens in an execution, and change nothing of it.

A `Plugin` has one method for each moment; override those you need. An `Around` has one generator for each thing that
lasts: before, ``yield``, after, so that ``with``, ``try`` and local variables do the bookkeeping. Give either to
``@durable(plugins=[...])``: an instance is shared by all invocations, a class or another factory without arguments
makes a fresh one for each.

A hook runs on the thread of the code it is about, and that code waits for it. What a hook raises is logged and
ignored: a plugin never changes how an execution ends. Source: docs/contributing/protocol.md#plugin-hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors import ValidationError

__all__ = [
    "Around",
    "AttemptEnd",
    "AttemptInfo",
    "BackendCalls",
    "ChangeInfo",
    "ErrorObject",
    "InvocationEnd",
    "InvocationInfo",
    "Listening",
    "OperationEnd",
    "OperationInfo",
    "Plugin",
    "PluginSource",
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
    """

    is_replay_children: bool = False
    is_replaying: bool = False


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


class Plugin:
    """Has a method for each moment; all do nothing."""

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """The handler is about to run; nothing was sent yet."""

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """The last hook: the answer is made and no other code of the execution runs."""

    def on_replay_end(self, info: ReplayInfo) -> None:
        """A context goes on where no code has been before; once an invocation, at its end at the latest."""

    def on_operation_start(self, info: OperationInfo) -> None:
        """An operation begins, before its START is queued; or, ``is_replayed``, is met again and is not over."""

    def on_operation_end(self, info: OperationEnd) -> None:
        """An operation's end is seen, before the code that asked for it goes on; once an operation.

        Not for what had ended in an earlier invocation, unless it ended between two. Contexts that leave no record,
        or are rebuilt, are told each time they run.
        """

    def on_operation_replayed(self, info: OperationEnd) -> None:
        """An operation returns what was recorded, and whose end was told by an earlier invocation."""

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """The user's code of an operation is about to run, on this thread."""

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """It ran; its outcome is not recorded yet."""

    def on_operation_change(self, info: ChangeInfo) -> None:
        """Records have changed; told on a thread that is about to run the user's code, several changes at a time."""

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:  # noqa: ARG002 - to override
        """Return an X-Ray trace header for a function that is about to be invoked; the first plugin's counts."""
        return None


PluginSource: TypeAlias = Plugin | Callable[[], Plugin]
"""What ``plugins=`` takes: an instance, or what makes a fresh one for each invocation."""

Listening: TypeAlias = Generator[None, Any, None]
"""What the methods of `Around` return: ``ending = yield`` gives the matching end."""


class Around(Plugin):
    """Has a generator for each thing that lasts: what stands before its one ``yield`` runs before, the rest after.

    Examples
    --------
    >>> class SlowSteps(Around):
    ...     def attempt(self, info: AttemptInfo) -> Listening:
    ...         began = perf_counter()
    ...         ending = yield
    ...         if perf_counter() - began > 5:
    ...             logger.warning("slow step", step=info.name, outcome=ending.outcome)
    """

    def invocation(self, info: InvocationInfo) -> Listening:  # noqa: ARG002 - to override
        """Around one invocation; ``yield`` gives an `InvocationEnd`."""
        yield

    def operation(self, info: OperationInfo) -> Listening:  # noqa: ARG002
        """Around what an invocation sees of an operation that is not over.

        ``yield`` gives an `OperationEnd`, or None when the invocation ends before the operation. A branch of a
        fan-out may end on another thread than it began on.
        """
        yield

    def attempt(self, info: AttemptInfo) -> Listening:  # noqa: ARG002
        """Around the user's code of an operation, on its thread; ``yield`` gives an `AttemptEnd`."""
        yield

    # -- from hooks to generators --------------------------------------------------------------------------

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Begin `invocation`."""
        self._begin(("invocation", info.execution_arn), self.invocation, info)

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """End every `operation` that is still open, then `invocation`."""
        for key in [key for key in self._open if key[:2] == ("operation", info.execution_arn)]:
            self._end(key, None)
        self._end(("invocation", info.execution_arn), info)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Begin `operation`."""
        self._begin(("operation", info.execution_arn, info.id), self.operation, info)

    def on_operation_end(self, info: OperationEnd) -> None:
        """End `operation`."""
        self._end(("operation", info.execution_arn, info.id), info)

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """Begin `attempt`."""
        self._begin(("attempt", info.execution_arn, info.id), self.attempt, info)

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """End `attempt`."""
        self._end(("attempt", info.execution_arn, info.id), info)

    @property
    def _open(self) -> dict[tuple[str, ...], Listening]:
        """The generators that stand at their ``yield``; a subclass need not call our ``__init__``."""
        found: dict[tuple[str, ...], Listening] = self.__dict__.setdefault("_powertools_durable_open", {})
        return found

    def _begin(self, key: tuple[str, ...], method: Callable[[Any], Listening], info: object) -> None:
        if getattr(type(self), method.__name__, None) is getattr(Around, method.__name__):
            return  # not overridden
        listening = method(info)
        next(listening)
        self._open[key] = listening

    def _end(self, key: tuple[str, ...], ending: object) -> None:
        listening = self._open.pop(key, None)
        if listening is None:
            return
        try:
            listening.send(ending)
        except StopIteration:
            return
        listening.close()
        message = f"{type(self).__name__}.{key[0]}() has more than one yield; everything after the second is skipped"
        raise ValidationError(message)
