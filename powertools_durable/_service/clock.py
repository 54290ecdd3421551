"""Clocks: real, virtual, and one that skips waits."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

__all__ = ["SkippingClock", "VirtualClock", "WallClock"]


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time, UTC-aware, in whole milliseconds as the service has it."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        time.sleep(seconds)


class VirtualClock:
    """A clock that only moves when it is told to; a year takes no longer than a second."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time, UTC-aware."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move the clock on by *seconds*."""
        with self._lock:
            self._elapsed += timedelta(seconds=max(0.0, seconds))

    def move_to(self, moment: datetime) -> None:
        """Move the clock to *moment*; never backwards."""
        with self._lock:
            self._elapsed = max(self._elapsed, moment - self._start)


class SkippingClock:
    """The machine's clock, ahead of it by the waits that were skipped."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self._wall = WallClock()

    def now(self) -> datetime:
        """Return the machine's time plus what was skipped."""
        return self._wall.now() + self.ahead

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return self._wall.monotonic()

    def sleep(self, seconds: float) -> None:
        """Move the clock on by *seconds*."""
        self.ahead += timedelta(seconds=max(0.0, seconds))

    def move_to(self, moment: datetime) -> None:
        """Move the clock to *moment*; never backwards."""
        self.ahead = max(self.ahead, moment - self._wall.now())
