"""What the runtime takes from the world, so that a test kit can hand it another world."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Protocol

from powertools_durable._frozen import frozen
from powertools_durable._replay.engine import RandomSource
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle

__all__ = ["Clock", "Condition", "Environment", "Probe", "Signal", "SystemClock", "SystemThreads", "Threads"]


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


class Condition(AbstractContextManager[Any], Protocol):
    """A lock, and a place to wait until somebody who held it says that something changed."""

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock away until notified; False after *timeout* seconds."""
        ...

    def notify(self, n: int = 1) -> None:
        """Let *n* of those who wait go on."""
        ...

    def notify_all(self) -> None:
        """Let all of them go on."""
        ...


class Signal(Protocol):
    """Something that happens once, and one thread that waits for it."""

    def set(self) -> None:
        """Say that it has happened."""
        ...

    def wait(self, timeout: float) -> bool:
        """Return when it has happened; False after *timeout* seconds."""
        ...


class Threads(Protocol):
    """Where threads, and all that they wait at, come from."""

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock."""
        ...

    def condition(self) -> Condition:
        """Make a condition."""
        ...

    def signal(self) -> Signal:
        """Make a signal."""
        ...

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a daemon thread.

        Raises
        ------
        RuntimeError
            The process may have no more.
        """
        ...


class _Lock:
    """A signal as cheap as can be: a lock that is taken until it happens."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._taken.acquire()

    def set(self) -> None:
        self._taken.release()

    def wait(self, timeout: float) -> bool:
        return self._taken.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))


class _Condition(threading.Condition):
    """One whose lock can be taken by itself, in one move: ctrl-C in Python's own ``__enter__`` leaves it taken."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        super().__init__(self.lock)


class SystemThreads:
    """The machine's own."""

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock."""
        return threading.Lock()

    def condition(self) -> Condition:
        """Make a condition."""
        return _Condition()

    def signal(self) -> Signal:
        """Make a signal."""
        return _Lock()

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a daemon thread; see `Threads`."""
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread


class Probe(Protocol):
    """Looks on while user code runs, on the thread that runs it. Whatever it raises, the process dies of."""

    def asked(self, op: OperationHandle) -> None:
        """Hear that the code asks for an operation."""
        ...

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run the body of a step; *flush* sends what is queued, such as its START, and waits for the answer."""
        ...

    def refused(self, frame: Frame, call: str) -> None:
        """Hear that the code asks for an operation while a suspension passes through *frame*."""
        ...

    def swallowed(self, frame: Frame) -> None:
        """Hear that the code of *frame* ended in another way than by the suspension that was raised there."""
        ...

    def context_ended(self, frame: Frame) -> None:
        """Hear that the code of *frame* ended, in whatever way."""
        ...


@frozen
class Environment:
    """Time, randomness, threads, and somebody who looks on.

    Client tokens are drawn here too, hence the system's source by default.
    ``driver`` makes what performs effects, in place of the one that blocks.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: RandomSource = field(default_factory=random.SystemRandom)
    probe: Probe | None = None
    threads: Threads = field(default_factory=SystemThreads)
    driver: Callable[..., Any] | None = None
