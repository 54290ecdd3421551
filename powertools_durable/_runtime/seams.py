"""What the runtime takes from the world, so that a test kit can hand it another world."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from powertools_durable._replay.engine import RandomSource

__all__ = ["Clock", "Seams", "SystemClock"]


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime:
        """Return the moment, UTC-aware."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        """Return the moment, UTC-aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Seams:
    """Time and randomness. Client tokens are drawn here too, hence the system's source by default."""

    clock: Clock = field(default_factory=SystemClock)
    random: RandomSource = field(default_factory=random.SystemRandom)
