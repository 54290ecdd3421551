"""Which state each thread of a run is in, and which one runs next; `seeded_threads.py` draws the states."""

from __future__ import annotations

import math
from typing import Protocol

from powertools_durable.testing.simulation.random_schedule import Picks
from powertools_durable.testing.simulation.thread_states import SeededCondition, SeededSignal, ThreadState, deadlock_of

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
    """The threads of a run by their states. It blocks nothing and has no lock: `SeededThreads` holds one around it.

    Attributes
    ----------
    running : ThreadState | None
        The thread that has the baton.
    ready : list[ThreadState]
        The threads of which one is chosen next.
    last : ThreadState | None
        Runs when no other thread is ready, before time passes.
    waiting, blocked : dict[ThreadState, None]
        The threads that wait to be notified or for a timeout, and those that wait for a lock.
    asleep : list[ThreadState]
        Of those that wait, the ones that only a timeout wakes.
    outside : set[ThreadState]
        The threads that lost the baton.
    guests : int
        How many threads of callers are scheduled.
    earliest : float
        A lower bound of the earliest timeout.
    """

    def __init__(self, clock: Time, picks: Picks) -> None:
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
        self._pick = picks.pick

    @property
    def is_due(self) -> bool:
        """True when a thread may have timed out."""
        return bool(self.waiting) and self.earliest <= self._clock.monotonic()

    def wait(self, me: ThreadState, queue: list[ThreadState], timeout: float | None) -> None:
        """Let *me* wait in *queue* until it is woken or *timeout* seconds have passed."""
        me.woken = False
        me.ends = math.inf if timeout is None else self._clock.monotonic() + max(0.0, timeout)
        me.queue = queue
        queue.append(me)
        self.waiting[me] = None
        self.earliest = min(self.earliest, me.ends)

    def unblock(self, lock: SeededCondition) -> bool:
        """Free *lock*; return whether threads were blocked by it, which are ready now."""
        lock.owner = None
        for task in lock.entry:
            del self.blocked[task]
        self.ready += lock.entry
        was_wanted = bool(lock.entry)
        lock.entry.clear()
        return was_wanted

    def happens(self, signal: SeededSignal) -> None:
        """Set *signal* and wake who waits for it."""
        signal.is_set = True
        self.expire()
        for task in signal.queue[:]:
            self.wake(task, woken=True)

    def wake(self, task: ThreadState, *, woken: bool) -> None:
        """End the wait of *task*, because it was *woken* or has timed out."""
        if task.queue is not None:
            task.queue.remove(task)
            task.queue = None
        del self.waiting[task]
        task.woken = woken
        self._resume(task)

    def _resume(self, task: ThreadState) -> None:
        if task.wants is not None and task.wants.owner is not None:
            task.wants.entry.append(task)
            self.blocked[task] = None
        else:
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
        """Return the thread that runs next, if necessary after time has passed; None while it is one outside."""
        self.expire()
        while True:
            while self.ready:
                task = self._picked()
                if (lock := task.wants) is None:
                    return task
                if lock.owner is None:
                    lock.owner, task.wants = task, None
                    return task
                self._resume(task)
            if self.last is not None:
                task, self.last = self.last, None
                return task
            if self.outside or not self.guests or not (self.waiting or self.blocked):
                return None
            self._let_time_pass()

    def _picked(self) -> ThreadState:
        ready = self.ready
        at = self._pick(ready) if len(ready) > 1 else 0
        ready[at], ready[-1] = ready[-1], ready[at]
        return ready.pop()

    def _let_time_pass(self) -> None:
        """Jump to the earliest timeout, because no thread is ready."""
        ends = min((task.ends for task in self.waiting), default=math.inf)
        if ends < math.inf:
            self._clock.sleep(max(1e-6, ends - self._clock.monotonic()))
            self.earliest = ends
            awake = [task for task in self.asleep if task.ends <= ends]
            for task in awake:  # before threads whose wait for its next action times out now
                self.wake(task, woken=False)
            if not awake:
                self.expire(max(ends, self._clock.monotonic()))
            return
        stuck = [*self.waiting, *self.blocked]
        error = deadlock_of(stuck)
        for task in stuck:
            task.error, task.is_stuck = error, True
            if task.queue is not None:
                self.wake(task, woken=False)
            elif task.wants is not None:
                task.wants.entry.remove(task)
                task.wants = None
                del self.blocked[task]
                self.ready.append(task)

    def leave(self, me: ThreadState) -> None:
        """Move *me* outside, because its wait was interrupted."""
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
