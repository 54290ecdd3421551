"""The state of a thread, and the locks and signals that threads wait for; `seeded_threads.py` has a state diagram."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import FrameType, TracebackType
from typing import Protocol, Self

__all__ = ["Deadlock", "SeededLock", "SeededSignal", "SeededThread", "ThreadState", "deadlock_of"]

_MACHINERY = ("seeded_threads", "thread_states", "run_queue")  # files whose frames are skipped in messages


class Deadlock(BaseException):
    """No thread of this run can continue. Not an `Exception`, so that it is not recorded as a failed step."""


class ThreadState:
    """A thread, as the scheduler sees it."""

    __slots__ = ("at", "ends", "error", "gate", "name", "queue", "speed", "wants", "woken")

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = threading.Lock()  # locked while the thread may not run
        self.gate.acquire()
        self.wants: SeededLock | None = None  # the lock that it needs to continue
        self.queue: list[ThreadState] | None = None  # the queue in which it waits to be woken
        self.ends = math.inf  # when that wait times out
        self.woken = False  # the wait ended otherwise than by its timeout
        self.speed = 0.0  # how often it is chosen, relative to others; 0 before the first choice
        self.at: FrameType | None = None  # the frame at which it waits
        self.error: Deadlock | None = None  # to be raised when the thread continues


class Scheduler(Protocol):
    """Decides which thread runs."""

    def acquire(self, lock: SeededLock) -> None: ...

    def release(self, lock: SeededLock) -> None: ...

    def wait_for(self, signal: SeededSignal, timeout: float | None) -> bool: ...

    def set(self, signal: SeededSignal) -> None: ...

    def begin(self, task: ThreadState) -> None: ...

    def end(self, task: ThreadState, over: SeededSignal) -> None: ...

    def takes_part(self) -> bool: ...


class SeededLock:
    """A lock, to be used in a ``with`` statement.

    Attributes
    ----------
    owner : ThreadState | None
        The thread that holds the lock.
    entry : list[ThreadState]
        The threads that are blocked by it.
    """

    __slots__ = ("_scheduler", "entry", "owner")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.owner: ThreadState | None = None
        self.entry: list[ThreadState] = []

    def __enter__(self) -> Self:
        self._scheduler.acquire(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._scheduler.release(self)


class SeededSignal:
    """An event that happens once; see `powertools_durable._runtime.environment.Signal`."""

    __slots__ = ("_scheduler", "is_set", "queue")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.is_set = False
        self.queue: list[ThreadState] = []

    def set(self) -> None:
        """Set the event."""
        self._scheduler.set(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set; return False after *timeout* virtual seconds."""
        return self._scheduler.wait_for(self, timeout)


class SeededThread(threading.Thread):
    """A thread that runs when it is chosen.

    Parameters
    ----------
    scheduler : Scheduler
        Chooses which thread runs.
    body : Callable
        The code that it runs.
    name : str
        Its name.
    """

    def __init__(self, scheduler: Scheduler, body: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.task = ThreadState(name)
        self._scheduler = scheduler
        self._body = body
        self._over = SeededSignal(scheduler)

    @property
    def is_over(self) -> bool:
        """True when its body has ended; the interpreter may still clean up."""
        return self._over.is_set

    def run(self) -> None:
        """Run the body; a deadlock is reported by the thread that waits for this one."""
        try:
            self._scheduler.begin(self.task)
            self._body()
        except Deadlock:
            pass
        finally:
            self._scheduler.end(self.task, self._over)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, at most *timeout* seconds: virtual ones on a scheduled thread, else real ones."""
        if not self._scheduler.takes_part():
            super().join(timeout)
        elif self._scheduler.wait_for(self._over, timeout):
            super().join()


def deadlock_of(tasks: Iterable[ThreadState]) -> Deadlock:
    """Build the error for a deadlock; it names where and for what each thread waits."""
    lines = [f"{task.name!r} waits at {_place(task.at)} {_reason(task)}" for task in tasks]
    return Deadlock("no thread can continue, and none has a timeout: " + "; ".join(lines))


def _reason(task: ThreadState) -> str:
    if task.queue is None and task.wants is not None and task.wants.owner is not None:
        holder = "itself" if task.wants.owner is task else repr(task.wants.owner.name)
        return f"for a lock that is held by {holder}"
    return "to be woken"


def _place(frame: FrameType | None) -> str:
    while frame is not None and PurePath(frame.f_code.co_filename).stem in _MACHINERY:
        frame = frame.f_back
    if frame is None:
        return "an unknown place"
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno} ({frame.f_code.co_name})"
