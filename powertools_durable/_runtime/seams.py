"""What the runtime takes from the world, so that a test kit can hand it another world."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from powertools_durable._replay.engine import RandomSource
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle

__all__ = ["Clock", "Seams", "SystemClock", "Witness"]


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


class Witness(Protocol):
    """Looks on while user code runs, on the thread that runs it. Whatever it raises, the process dies of."""

    def asked(self, op: OperationHandle) -> None:
        """Hear that the code asks for an operation."""
        ...

    def attempt(self, body: Callable[[], Any]) -> Any:
        """Run the body of a step."""
        ...

    def refused(self, frame: Frame, call: str) -> None:
        """Hear that the code asks for an operation while a suspension passes through *frame*."""
        ...

    def swallowed(self, frame: Frame) -> None:
        """Hear that the code of *frame* ended in another way than by the suspension that was raised there."""
        ...


@dataclass(frozen=True, slots=True)
class Seams:
    """Time, randomness, and somebody who looks on.

    Client tokens are drawn here too, hence the system's source by default.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: RandomSource = field(default_factory=random.SystemRandom)
    witness: Witness | None = None
