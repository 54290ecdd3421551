"""Clock, threads and randomness of the runtime, which the test kit replaces."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import UTC, datetime
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
    "Signal",
    "SystemClock",
    "SystemThreads",
    "Threads",
]

T = TypeVar("T")


class Clock(Protocol):
    """Reads the time and sleeps."""

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
        Their waiting lets virtual time pass, so an event loop must not wait for its selector alone.
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
            The process may not have another thread.
        """
        ...


class _Lock:
    """A cheap signal: a lock that stays locked until the event is set."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._taken.acquire()

    def set(self) -> None:
        self._taken.release()

    def wait(self, timeout: float | None = None) -> bool:
        return self._taken.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))


class SystemThreads:
    """The machine's own."""

    virtual = False

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock."""
        return threading.Lock()

    signal = _Lock

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a daemon thread; see `Threads`."""
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread


class Probe(Protocol):
    """Observes user code, on the thread that runs it, for the test kit. Anything it raises ends the process."""

    def asked(self, op: OperationHandle) -> None:
        """Called when the code asks for an operation."""
        ...

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run the body of a step; *flush* sends what is queued, such as its START, and waits for the answer."""
        ...

    async def awaited_attempt(self, run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
        """Await the body of a step, which runs on the event loop, or on a thread by `on_thread`."""
        ...

    def on_thread(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run on a thread what an awaited body leaves to one."""
        ...

    def refused(self, frame: Frame, call: str) -> None:
        """Called when the code asks for an operation while a suspension passes through *frame*."""
        ...

    def swallowed(self, frame: Frame, location: str = "") -> None:
        """Called when the code of *frame* ended otherwise than by the suspension that was raised in it.

        *location* is ``file:line`` of where it was raised, if the traceback of the suspension does not say that.
        """
        ...

    def context_ended(self, frame: Frame) -> None:
        """Called when the code of *frame* ended, in any way."""
        ...


class Performer(Protocol):
    """Answers the effects of operations, and runs the code of contexts."""

    def begin(self, call: Call[T]) -> Flow[T]:
        """Return the flow to perform for *call*: its own, or one around it."""
        ...

    def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Answer `Checkpoint`."""
        ...

    def attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:
        """Answer `Attempt`."""
        ...

    def enter(self, outer: Frame, effect: Enter) -> Outcome:
        """Answer `Enter`, which the code of *outer* asks for."""
        ...

    def fan_out(self, outer: Frame, effect: FanOut) -> Outcome:
        """Answer `FanOut`, which the code of *outer* asks for."""
        ...

    def run(self, frame: Frame, body: Callable[[], Any], scope: ScopeInfo) -> Ending:
        """Run the code of a context: the handler's, or a child's."""
        ...


@frozen
class Environment:
    """Clock, randomness and threads of an invocation, and what a test kit puts in their place.

    Client tokens are drawn here too, so the default source is the system's.

    Attributes
    ----------
    probe : Probe | None
        Observes user code.
    performer : Callable | None
        Takes the driver, returns the `Performer` that answers effects in place of it; an `AsyncDriver` has one with
        coroutines (`testing.replays.async_performer`).
    inline : bool
        No thread is started: the thread that waits for an answer sends the request, and branches run one after the
        other where their fan-out was called. What contexts do counts as live, though records may lie ahead.
    loops : Loops | None
        Keeps the event loops of ``async def`` handlers, in place of those of the process.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: RandomSource = field(default_factory=random.SystemRandom)
    probe: Probe | None = None
    threads: Threads = field(default_factory=SystemThreads)
    performer: Callable[[Any], Any] | None = None
    inline: bool = False
    loops: Any = None
