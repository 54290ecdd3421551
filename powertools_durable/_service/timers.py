"""Timers that run, the earliest first. Pure."""

from __future__ import annotations

from datetime import datetime
from heapq import heapify, heappop, heappush

__all__ = ["Timers"]

_SLACK = 64  # entries of stopped timers that are not worth clearing away


class Timers:
    """One timer a key. The entry of one that was stopped or set anew stays in the heap until it comes up."""

    def __init__(self) -> None:
        self._ends: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def set(self, key: str, ends: datetime | None) -> None:
        """Let the timer of *key* end then; None stops it."""
        if ends is None:
            self._ends.pop(key, None)
        elif self._ends.get(key) != ends:
            self._ends[key] = ends
            heappush(self._heap, (ends, key))
            if len(self._heap) > 2 * len(self._ends) + _SLACK:
                self._heap = [(moment, known) for known, moment in self._ends.items()]
                heapify(self._heap)

    def next(self) -> datetime | None:
        """Return when the earliest one ends; None when none runs."""
        while self._heap and self._ends.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: datetime) -> list[tuple[datetime, str]]:
        """Remove those that have ended, and return when each did and its key."""
        due = []
        while (moment := self.next()) is not None and moment <= now:
            due.append(heappop(self._heap))
            del self._ends[due[-1][1]]
        return due
