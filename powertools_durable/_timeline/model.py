"""The classes of the model: an execution, its invocations, its operations and their attempts. Immutable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from powertools_durable._service.naming import FAN_OUTS, Kind
from powertools_durable._timeline.failure import TimelineFailure

__all__ = ["OPEN", "Counts", "Timeline", "TimelineAttempt", "TimelineInvocation", "TimelineOperation"]

OPEN = frozenset({"STARTED", "PENDING", "READY"})
_WAITS_FOR_OTHERS = frozenset({Kind.WAIT, Kind.CALLBACK, Kind.INVOKE})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineAttempt:
    """One run of an operation's body.

    Attributes
    ----------
    number : int
        From 1.
    started : datetime
        When it began.
    ended : datetime | None
        When its outcome was recorded; None while it runs.
    failure : TimelineFailure | None
        What it failed with.
    retry_at : datetime | None
        When the next attempt begins, if there is to be one.
    invocation : int
        The number of the invocation in which it began.
    result_bytes : int | None
        The size of what it returned as UTF-8; None if it returned nothing.
    first_event, last_event : int
        The positions in the history of the events that began and ended it; 0 if there is none.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    failure: TimelineFailure | None = None
    retry_at: datetime | None = None
    invocation: int = 0
    result_bytes: int | None = None
    first_event: int = 0
    last_event: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineInvocation:
    """One call of the handler by Lambda.

    Attributes
    ----------
    number : int
        From 1.
    started : datetime
        When it began; where that is not recorded, the time of its first event.
    ended : datetime | None
        None while it runs, and if its end was not recorded.
    replayed : int
        Operations whose outcome was recorded before it began. What is inside of a context that has ended doesn't count.
    failure : TimelineFailure | None
        What the invocation itself failed with, such as the death of its process.
    request_id : str | None
        Lambda's id of the request.
    last_event : int
        The position in the history of the event that ended it; 0 if there is none.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    replayed: int = 0
    failure: TimelineFailure | None = None
    request_id: str | None = None
    last_event: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many branches of a fan-out are in which state; *abandoned* are those that were open when it ended."""

    succeeded: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    abandoned: int = 0

    @property
    def ended(self) -> int:
        """Branches that have ended."""
        return self.succeeded + self.failed

    @property
    def total(self) -> int:
        """Branches that have started."""
        return self.succeeded + self.failed + self.running + self.waiting + self.abandoned


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineOperation:
    """A durable call.

    Attributes
    ----------
    id : str
        The id of its record; of a FLAT branch the one that its record would have.
    kind : Kind
        Which method made it.
    name : str | None
        The name that it was given.
    label : str
        Its display name: ``charge``, ``charge #2`` for another one with the same path, ``wait #2`` without a name.
    path : str
        ``etl > map-item-7 > extract``.
    number : int
        It is the operation number *number* with this path, in the order of their start.
    status : str
        ``STARTED``, ``PENDING`` (it is retried later), ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``STOPPED`` or
        ``CANCELLED``.
    started, ended : datetime
        As recorded; *ended* is None while it is open.
    invocation : int
        The number of the invocation in which it started.
    first_event, last_event : int
        The positions in the history of the events that started and ended it; 0 if there is none.
    attempts : tuple[TimelineAttempt, ...]
        Of a step, a condition, or a group of operations that is retried.
    due : datetime | None
        While it waits: the end of the wait, the next attempt, or the time-out of the callback.
    children : tuple[TimelineOperation, ...]
        Operations called in it.
    parts : tuple[TimelineOperation, ...]
        What it is made of: callback and submitter of a ``wait_for_callback``, the waits of a ``with_retry``.
    branches : int | None
        The number of branches of a fan-out; None where it is not known: while it is open, and if it ended early.
    counts : Counts | None
        The states of the branches of a fan-out.
    is_virtual : bool
        It is a FLAT branch, which has no record: times and status are those of its operations.
    function : str | None
        The function that is invoked.
    input_bytes, result_bytes : int | None
        The size of the recorded payloads as UTF-8; None if there is none.
    input, result : str | None
        The payloads as they were recorded, if they were asked for.
    failure : TimelineFailure | None
        What it failed with; while it is retried, what the last attempt failed with.
    source : str | None
        ``shop.py:12``, the line of the call; only of executions that ran in this process.
    """

    id: str
    kind: Kind
    name: str | None
    label: str
    path: str
    number: int
    status: str
    started: datetime
    ended: datetime | None = None
    invocation: int = 0
    first_event: int = 0
    last_event: int = 0
    attempts: tuple[TimelineAttempt, ...] = ()
    due: datetime | None = None
    children: tuple[TimelineOperation, ...] = ()
    parts: tuple[TimelineOperation, ...] = ()
    branches: int | None = None
    counts: Counts | None = None
    is_virtual: bool = False
    function: str | None = None
    input_bytes: int | None = None
    result_bytes: int | None = None
    input: str | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)
    failure: TimelineFailure | None = None
    source: str | None = None

    @property
    def is_open(self) -> bool:
        """True if it has not ended."""
        return self.status in OPEN

    @property
    def is_fan_out(self) -> bool:
        """True for ``map`` and ``parallel``."""
        return self.kind in FAN_OUTS

    @property
    def has_failed(self) -> bool:
        """True if it ended in another way than with a result."""
        return not self.is_open and self.status != "SUCCEEDED"

    @property
    def is_waiting(self) -> bool:
        """True if it is open, and nothing of it runs: it waits for time to pass or for an answer."""
        if not self.is_open:
            return False
        if self.status == "PENDING" or self.kind in _WAITS_FOR_OTHERS:
            return True
        open_ones = [one for one in (*self.children, *self.parts) if one.is_open]
        return bool(open_ones) and all(one.is_waiting for one in open_ones)

    def seconds(self, until: datetime) -> float:
        """Return how long it took, or has taken until then."""
        return max(0.0, ((self.ended or until) - self.started).total_seconds())

    def walk(self) -> Iterator[TimelineOperation]:
        """Yield it and all operations in it, each before those in it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """An execution, at one moment.

    Attributes
    ----------
    name, arn : str
        The execution's; the ARN is empty where it is not known.
    status : str
        ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``STOPPED``.
    started, ended : datetime
        UTC-aware; *ended* is None while it runs.
    until : datetime
        What is shown happened before: its end, or the moment at which it was read.
    invocations : tuple[TimelineInvocation, ...]
        The oldest first.
    operations : tuple[TimelineOperation, ...]
        Those that the handler called itself, in the order of their start.
    failure : TimelineFailure | None
        What it failed with.
    input_bytes, result_bytes : int | None
        The size of the payloads as UTF-8; None if there is none.
    input, result : str | None
        The payloads as JSON text, if they were asked for.
    events : int
        The number of events in its history.
    """

    name: str
    arn: str
    status: str
    started: datetime
    until: datetime
    ended: datetime | None = None
    invocations: tuple[TimelineInvocation, ...] = ()
    operations: tuple[TimelineOperation, ...] = ()
    failure: TimelineFailure | None = None
    input_bytes: int | None = None
    result_bytes: int | None = None
    input: str | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)
    events: int = 0

    @property
    def waiting(self) -> tuple[TimelineOperation, ...]:
        """What it waits for: timers, attempts, callbacks and invoked functions."""
        return () if self.ended else tuple(_waiting(self.operations))

    def walk(self) -> Iterator[TimelineOperation]:
        """Yield all operations, each before those in it."""
        for operation in self.operations:
            yield from operation.walk()

    def find(self, path: str, number: int = 1) -> TimelineOperation:
        """Return the operation number *number* with that path.

        Raises
        ------
        LookupError
            There is none.
        """
        for operation in self.walk():
            if operation.path == path and operation.number == number:
                return operation
        message = f"no operation {path} #{number} in {self.name}"
        raise LookupError(message)


def _waiting(operations: tuple[TimelineOperation, ...]) -> Iterator[TimelineOperation]:
    for operation in operations:
        inner = [child for child in operation.children if child.is_open]
        if operation.is_open and inner:
            yield from _waiting(operation.children)
        elif operation.is_waiting:
            yield operation
