"""The threads of a run by state, and the choice of the next one; `seeded_threads.py` has a state diagram."""

from __future__ import annotations

import math
from typing import Protocol

from powertools_durable.testing.simulation.random_schedule import Schedule
from powertools_durable.testing.simulation.thread_states import SeededLock, SeededSignal, ThreadState, deadlock_of

__all__ = ["RunQueue", "Time"]


class Time(Protocol):
    """The virtual clock."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Advance the time by *seconds*."""
        ...


class RunQueue:
    """The threads of a run by state. It never blocks and has no lock; `SeededThreads` calls it with a lock held.

    Attributes
    ----------
    running : ThreadState | None
        The thread that has the baton.
    ready : list[ThreadState]
        The threads of which the next one is chosen.
    last : ThreadState | None
        A thread that runs when no other is ready, before time passes.
    waiting, blocked : dict[ThreadState, None]
        The threads that wait for a signal or a timeout, and those that wait for a lock.
    asleep : list[ThreadState]
        Those of the waiting threads that only a timeout wakes.
    outside : set[ThreadState]
        The threads that lost the baton.
    guests : int
        Number of scheduled threads that were not started by `SeededThreads.spawn`.
    earliest : float
        A lower bound of the earliest timeout.
    """

    def __init__(self, clock: Time, schedule: Schedule) -> None:
        self.running: ThreadState | None = None
        self.ready: list[ThreadState] = []
        self.last: ThreadState | None = None
        self.waiting: dict[ThreadState, None] = {}
        self.blocked: dict[ThreadState, None] = {}
        self.asleep: list[ThreadState] = []
        self.outside: set[ThreadState] = set()
        self.guests = 0
        self.earliest = math.inf
        self._clock = clock
        self._pick = schedule.pick

    @property
    def is_due(self) -> bool:
        """True when a thread may have timed out."""
        return bool(self.waiting) and self.earliest <= self._clock.monotonic()

    def wait(self, me: ThreadState, queue: list[ThreadState], timeout: float | None) -> None:
        """Add *me* to *queue*, to wait until it is woken or *timeout* seconds have passed."""
        me.woken = False
        me.ends = math.inf if timeout is None else self._clock.monotonic() + max(0.0, timeout)
        me.queue = queue
        queue.append(me)
        self.waiting[me] = None
        self.earliest = min(self.earliest, me.ends)

    def unblock(self, lock: SeededLock) -> bool:
        """Free *lock*; return whether it had blocked threads, which are ready now."""
        lock.owner = None
        for task in lock.entry:
            del self.blocked[task]
        self.ready += lock.entry
        was_wanted = bool(lock.entry)
        lock.entry.clear()
        return was_wanted

    def set_signal(self, signal: SeededSignal) -> None:
        """Set *signal* and wake the threads that wait for it."""
        signal.is_set = True
        self.expire()
        for task in signal.queue[:]:
            self.wake(task, woken=True)

    def wake(self, task: ThreadState, *, woken: bool) -> None:
        """End the wait of *task*, because of its signal (*woken*) or its timeout."""
        if task.queue is not None:
            task.queue.remove(task)
            task.queue = None
        del self.waiting[task]
        task.woken = woken
        self.ready.append(task)

    def expire(self, now: float | None = None) -> None:
        """Wake the threads that have timed out."""
        if not self.waiting:
            return
        now = self._clock.monotonic() if now is None else now
        if self.earliest <= now:
            for task in [task for task in self.waiting if task.ends <= now]:
                self.wake(task, woken=False)
            self.earliest = min((task.ends for task in self.waiting), default=math.inf)

    def choose(self) -> ThreadState | None:
        """Return the thread that runs next, if necessary after advancing the time; None if none of these can run."""
        self.expire()
        while True:
            while self.ready:
                task = self._take_ready()
                if (lock := task.wants) is None:
                    return task
                if lock.owner is None:
                    lock.owner, task.wants = task, None
                    return task
                lock.entry.append(task)
                self.blocked[task] = None
            if self.last is not None:
                task, self.last = self.last, None
                return task
            if self.outside or not self.guests or not (self.waiting or self.blocked):
                return None
            self._advance_time()

    def _take_ready(self) -> ThreadState:
        ready = self.ready
        at = self._pick(ready) if len(ready) > 1 else 0
        ready[at], ready[-1] = ready[-1], ready[at]
        return ready.pop()

    def _advance_time(self) -> None:
        """Advance the time to the earliest timeout; without any, end all threads with a `Deadlock`."""
        ends = min((task.ends for task in self.waiting), default=math.inf)
        if ends < math.inf:
            self._clock.sleep(max(1e-6, ends - self._clock.monotonic()))
            self.earliest = ends
            awake = [task for task in self.asleep if task.ends <= ends]
            for task in awake:  # first, so that they can set signals whose waits time out at the same moment
                self.wake(task, woken=False)
            if not awake:
                self.expire(max(ends, self._clock.monotonic()))
            return
        stuck = [*self.waiting, *self.blocked]
        error = deadlock_of(stuck)
        for task in stuck:
            task.error = error
            if task.queue is not None:
                self.wake(task, woken=False)
            elif task.wants is not None:
                task.wants.entry.remove(task)
                task.wants = None
                del self.blocked[task]
                self.ready.append(task)

    def leave(self, me: ThreadState) -> None:
        """Move *me* outside, because Ctrl-C has interrupted its wait."""
        if me.queue is not None:
            me.queue.remove(me)
            me.queue = None
        if self.last is me:
            self.last = None
        if me in self.ready:
            self.ready.remove(me)
        if self.blocked.pop(me, me) is None and me.wants is not None:
            me.wants.entry.remove(me)
        me.wants = None
        self.waiting.pop(me, None)
        self.outside.add(me)
