"""Now, and the next moment: real or virtual."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

__all__ = ["SkippingClock", "VirtualClock", "WallClock"]


class WallClock:
    """The machine's own."""

    def now(self) -> datetime:
        """Return the moment, UTC-aware; in whole milliseconds, as the service tells it."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        time.sleep(seconds)


class VirtualClock:
    """Time that passes only when somebody says so; a year takes no longer than a second."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the moment, UTC-aware."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return self._elapsed.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Let *seconds* have passed."""
        with self._lock:
            self._elapsed += timedelta(seconds=max(0.0, seconds))

    def move_to(self, moment: datetime) -> None:
        """Let it be *moment*, unless that is over already."""
        with self._lock:
            self._elapsed = max(self._elapsed, moment - self._start)


class SkippingClock:
    """The machine's own, but waits take no time: it runs ahead by what was skipped."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self._wall = WallClock()

    def now(self) -> datetime:
        """Return the moment, ahead of the machine's by what was skipped."""
        return self._wall.now() + self.ahead

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return self._wall.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let *seconds* have passed."""
        self.ahead += timedelta(seconds=max(0.0, seconds))

    def move_to(self, moment: datetime) -> None:
        """Let it be *moment*, unless that is over already."""
        self.ahead = max(self.ahead, moment - self._wall.now())
