"""Running timers, the earliest first, and the records that they will change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush

from powertools_durable._protocol.lifecycle import due_at
from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType
from powertools_durable._service.execution_records import CallbackTimers

__all__ = ["Timers", "Timetable"]

_SLACK = 64  # stale entries that are not worth removing


class Timers:
    """One timer a key. A timer that was stopped or reset leaves a stale entry in the heap until that entry comes up."""

    def __init__(self) -> None:
        self._ends: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def set(self, key: str, ends: datetime | None) -> None:
        """Set when the timer of *key* ends; None stops it."""
        if ends is None:
            self._ends.pop(key, None)
        elif self._ends.get(key) != ends:
            self._ends[key] = ends
            heappush(self._heap, (ends, key))
            if len(self._heap) > 2 * len(self._ends) + _SLACK:
                self._heap = [(moment, known) for known, moment in self._ends.items()]
                heapify(self._heap)

    def next(self) -> datetime | None:
        """Return when the earliest timer ends; None if none runs."""
        while self._heap and self._ends.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: datetime) -> list[tuple[datetime, str]]:
        """Remove the timers that have ended; return the end and the key of each."""
        due = []
        while (moment := self.next()) is not None and moment <= now:
            due.append(heappop(self._heap))
            del self._ends[due[-1][1]]
        return due


_WAITS = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class Timetable:
    """Which records of an execution will change without its handler, and when.

    Parameters
    ----------
    records : Iterable[Operation]
        All there are.
    callbacks : Mapping[str, CallbackTimers]
        The timers of open callbacks by operation id.

    Attributes
    ----------
    pending : set[str]
        Ids of records that will change (docs/contributing/protocol.md#invocation-output).
    callback_ids : dict[str, str]
        Operation ids by callback id.
    """

    def __init__(self, records: Iterable[Operation], callbacks: Mapping[str, CallbackTimers]) -> None:
        self.pending: set[str] = set()
        self.callback_ids: dict[str, str] = {}
        self._timers = Timers()
        self._deadlines = Timers()
        for record in records:
            self.attend(record)
        for key, timers in callbacks.items():
            self.time_callback(key, timers)

    def attend(self, record: Operation) -> None:
        """Note a record that is new or has changed."""
        self._timers.set(record.id, due_at(record))
        if record.type is OperationType.STEP:
            is_pending = record.status is OperationStatus.PENDING
        else:
            is_pending = record.type in _WAITS and record.status is OperationStatus.STARTED
        (self.pending.add if is_pending else self.pending.discard)(record.id)
        if record.callback_details is not None and record.callback_details.callback_id is not None:
            self.callback_ids[record.callback_details.callback_id] = record.id

    def time_callback(self, key: str, timers: CallbackTimers | None) -> None:
        """Set the timers of a callback; None stops them."""
        self._deadlines.set(key, timers.next() if timers is not None else None)

    def next(self, *, callbacks: bool) -> datetime | None:
        """Return when the next timer ends, of *callbacks* too if that is wanted."""
        moments = (self._timers.next(), self._deadlines.next() if callbacks else None)
        return min((moment for moment in moments if moment is not None), default=None)

    def take_due(self, now: datetime) -> list[tuple[datetime, str]]:
        """Remove the timers that have ended, and return when each did and its operation's id, the earliest first."""
        return sorted([*self._timers.take_due(now), *self._deadlines.take_due(now)])
