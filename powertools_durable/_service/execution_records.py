"""The state of one execution, and which part of it the last call changed. Pure.

`changed`, `retimed` and `events` hold the changes, so that a store writes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.history import HistoryEvent, record_event
from powertools_durable._service.naming import NamedPlace, Naming

__all__ = ["ENDED", "CallbackTimers", "ExecutionRecords", "Header"]

ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "DELETING"})


@dataclass(slots=True)
class CallbackTimers:
    """When a callback times out; its record does not say."""

    ends: datetime | None = None
    heartbeat_seconds: int = 0
    heartbeat_ends: datetime | None = None

    @classmethod
    def of(cls, update: OperationUpdate, now: datetime) -> CallbackTimers:
        """Return the timers that the START of a callback sets; 0 seconds is none."""
        options = update.callback_options
        timeout = options.timeout_seconds if options else 0
        heartbeat = options.heartbeat_timeout_seconds if options else 0
        return cls(
            ends=now + timedelta(seconds=timeout) if timeout else None,
            heartbeat_seconds=heartbeat,
            heartbeat_ends=now + timedelta(seconds=heartbeat) if heartbeat else None,
        )

    def next(self) -> datetime | None:
        """Return the earlier of the two."""
        return min((moment for moment in (self.ends, self.heartbeat_ends) if moment), default=None)


@dataclass(slots=True, kw_only=True)
class Header:
    """The state of an execution besides its records and its history."""

    arn: str
    name: str
    started: datetime
    status: str = "RUNNING"
    result: str | None = None
    error: ErrorObject | None = None
    ended: datetime | None = None
    invocations: int = 0
    token: str = ""
    invoking_since: datetime | None = None
    failed_invocations: int = 0
    illegal_pendings: int = 0
    retry_at: datetime | None = None
    events: int = 0
    unseen: set[str] = field(default_factory=set)  # changed since the handler last looked
    moved: set[str] = field(default_factory=set)  # of these, changed by the service
    looks: int = 0  # how often the handler looked: a store keeps with each record whether it changed since
    callbacks: dict[str, CallbackTimers] = field(default_factory=dict)

    @property
    def deadlines(self) -> dict[str, datetime | None]:
        """When each open callback times out, by operation; heartbeats move it. Empty if only a history is known."""
        return {key: timers.next() for key, timers in tuple(self.callbacks.items())}


class ExecutionRecords:
    """Header, records and history of one execution, and what is new in them.

    Parameters
    ----------
    header : Header
        From `ServiceExecution.start`, or from a store.
    operations : Mapping[str, Operation]
        Records by id, in the order they started.
    history : Sequence[HistoryEvent]
        The events so far.
    """

    def __init__(
        self, header: Header, operations: Mapping[str, Operation], history: Sequence[HistoryEvent] = ()
    ) -> None:
        self.header = header
        self.operations = dict(operations)
        self.changed: dict[str, Operation] = {}
        self.retimed: set[str] = set()  # callbacks whose timers changed
        self.log = list(self.operations.values())  # every record as it was at each change
        self._order = {key: number for number, key in enumerate(self.operations)}
        self._naming = Naming()
        self.events: list[HistoryEvent] = []
        self.history: list[HistoryEvent] = list(history)

    @property
    def is_terminal(self) -> bool:
        """True when the execution has ended."""
        return self.header.status in ENDED

    def place(self, identifier: str) -> NamedPlace:
        """Return where an operation is, and what it is called; raise KeyError if it is none of this execution."""
        return self._naming.of(self.operations, identifier)

    def saved(self) -> None:
        """Clear `changed`, `retimed` and `events`: a store has them."""
        self.changed.clear()
        self.retimed.clear()
        self.events.clear()

    def keep(
        self, record: Operation, now: datetime, update: OperationUpdate | None = None, *, moved: bool = False
    ) -> None:
        """Keep a record that an update changed, or the service (then it has *moved*)."""
        self._replace(record)
        if record.type is not OperationType.EXECUTION:
            self.header.unseen.add(record.id)
        if moved:
            self.header.moved.add(record.id)
        self.append_event(record_event(record, update, now))

    def _replace(self, record: Operation) -> None:
        self._order.setdefault(record.id, len(self._order))
        self.operations[record.id] = self.changed[record.id] = record
        self.log.append(record)

    def adopt(self, records: Iterable[Operation], events: Iterable[HistoryEvent]) -> None:
        """Take over records and events of another execution; the handler sees them in its next invocation."""
        for record in records:
            self._replace(record)
        for event in events:
            self.append_event({key: value for key, value in event.items() if key != "EventId"})

    def take_unseen(self) -> tuple[Operation, ...]:
        """Return what changed since the handler last looked, in the order of its start; it looks now."""
        header = self.header
        records = tuple(self.operations[key] for key in sorted(header.unseen, key=self._order.__getitem__))
        header.unseen.clear()
        header.moved.clear()
        header.looks += 1
        return records

    def append_event(self, event: HistoryEvent | None) -> None:
        """Add an event to the history."""
        if event is not None:
            self.header.events += 1
            numbered = {"EventId": self.header.events, **event}
            self.events.append(numbered)
            self.history.append(numbered)

    def finish(
        self, status: OperationStatus, now: datetime, *, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """End the execution."""
        header = self.header
        header.status, header.result, header.error, header.ended = status.value, result, error, now
        record = next(r for r in self.operations.values() if r.type is OperationType.EXECUTION)
        record = replace(record, status=status, end_timestamp=now)
        self._replace(record)
        self.append_event(record_event(record, None, now, result=result, error=error))
