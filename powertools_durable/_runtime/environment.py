"""The clock, threads and random source of the runtime, which the test kit replaces."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable._replay.effects import Attempt, Call, Checkpoint, Ending, Enter, FanOut, Flow, Outcome
from powertools_durable._replay.engine import RandomSource
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.scope import ScopeInfo

__all__ = [
    "Clock",
    "Environment",
    "Performer",
    "Probe",
    "Sights",
    "Signal",
    "SteadyTime",
    "SystemClock",
    "SystemThreads",
    "Threads",
]

T = TypeVar("T")


class Clock(Protocol):
    """Reads the time and sleeps."""

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        time.sleep(seconds)


class SteadyTime:
    """The start time plus the monotonic time since then: setting the system's clock does not move timers."""

    __slots__ = ("_began", "_clock")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now(), clock.monotonic()

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""
        moment, monotonic = self._began
        return moment + timedelta(seconds=self._clock.monotonic() - monotonic)


class Signal(Protocol):
    """An event that happens once, for which one thread waits."""

    def set(self) -> None:
        """Set the event."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set; return False after *timeout* seconds."""
        ...


class Threads(Protocol):
    """Creates threads, and the locks and signals that they wait for.

    Attributes
    ----------
    virtual : bool
        Virtual time passes while they wait, so an event loop must wait for a signal instead of its selector.
    """

    virtual: bool

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock."""
        ...

    def signal(self) -> Signal:
        """Make a signal."""
        ...

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a daemon thread.

        Raises
        ------
        RuntimeError
            The process can't start another thread.
        """
        ...


LONGEST_WAIT = 0.5
"""Seconds that the thread of the handler waits at a stretch.

A signal such as Ctrl-C that arrives just before Python begins to wait is noticed only when the wait ends.
"""


class _LockSignal:
    """A signal made of a lock, which stays locked until the event is set; cheaper than `threading.Event`."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._taken.acquire()

    def set(self) -> None:
        self._taken.release()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return self._taken.acquire()
        while timeout > LONGEST_WAIT:
            if self._taken.acquire(timeout=LONGEST_WAIT):
                return True
            timeout -= LONGEST_WAIT
        return self._taken.acquire(timeout=max(timeout, 0))


class SystemThreads:
    """Threads of the operating system."""

    virtual = False

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock."""
        return threading.Lock()

    signal = _LockSignal

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a daemon thread; see `Threads`."""
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread


class Probe(Protocol):
    """Observes user code for the test kit, on the thread that runs it. An exception of a probe ends the process."""

    def operation_called(self, op: OperationHandle) -> None:
        """Called when the code makes a durable call."""
        ...

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run the body of a step; *flush* sends what is queued, such as its START, and waits for the answer."""
        ...

    async def awaited_attempt(self, run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
        """Await the body of a step. A coroutine runs on the event loop, other code on a thread by `on_thread`."""
        ...

    def on_thread(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run the body of a step on a thread, while `awaited_attempt` awaits it."""
        ...

    def refused(self, frame: Frame, call: str) -> None:
        """Called when the code makes a durable call while *frame* is being suspended."""
        ...

    def swallowed(self, frame: Frame, location: str = "") -> None:
        """Called when the code of *frame* has swallowed or replaced the suspension that was raised in it.

        *location* is the ``file:line`` where the suspension was raised; empty if its traceback shows that.
        """
        ...

    def context_ended(self, frame: Frame) -> None:
        """Called when the code of *frame* has ended, in any way."""
        ...


class Sights(Protocol):
    """Told where the code makes durable calls, on the thread that makes them. It must not raise."""

    def called(self, op: OperationHandle) -> None:
        """Note a durable call, or the start of a branch."""
        ...

    def fanned_out(self, op: OperationHandle, branches: int) -> None:
        """Note how many branches a fan-out has."""
        ...


class Performer(Protocol):
    """Answers the effects of operations, and runs the code of contexts."""

    def begin(self, call: Call[T]) -> Flow[T]:
        """Return the flow to perform for *call*: its own, perhaps wrapped."""
        ...

    def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Answer `Checkpoint`."""
        ...

    def attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:
        """Answer `Attempt`."""
        ...

    def enter(self, outer: Frame, effect: Enter) -> Outcome:
        """Answer an `Enter` of an operation in *outer*."""
        ...

    def fan_out(self, outer: Frame, effect: FanOut) -> Outcome:
        """Answer a `FanOut` of an operation in *outer*."""
        ...

    def run(self, frame: Frame, body: Callable[[], Any], scope: ScopeInfo) -> Ending:
        """Run the code of a context: of the handler or of a child context."""
        ...


@frozen
class Environment:
    """Clock, random source and threads of an invocation; a test kit passes its own.

    Client tokens are drawn from *random* too, so its default is the operating system's source.

    Attributes
    ----------
    probe : Probe | None
        Observes user code.
    performer : Callable | None
        Takes the driver, returns the `Performer` that answers effects in its place; that of an `AsyncDriver` has
        coroutines (`testing.replays.async_performer`).
    inline : bool
        No thread is started: the thread that waits for an answer sends the request, and branches run one after the
        other on the thread that called their fan-out. The code of contexts counts as live, even if records follow.
    sights : Sights | None
        Is told what a picture of the execution shows that no record says.
    loops : Loops | None
        Keeps the event loops of ``async def`` handlers; None: those of the process.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: RandomSource = field(default_factory=random.SystemRandom)
    probe: Probe | None = None
    threads: Threads = field(default_factory=SystemThreads)
    performer: Callable[[Any], Any] | None = None
    inline: bool = False
    loops: Any = None
    sights: Sights | None = None
