"""Passes the baton from thread to thread; `seeded_threads.py` explains it."""

from __future__ import annotations

import math
import sys
import threading
from typing import Protocol

from powertools_durable.testing.simulation.random_schedule import Picks
from powertools_durable.testing.simulation.thread_states import (
    SeededCondition,
    SeededSignal,
    SeededThread,
    ThreadState,
    deadlock_of,
)

__all__ = ["Time", "Turns"]

_LOOKS = 4  # checks without a change until a waiting thread takes the baton from the running one


class Time(Protocol):
    """The virtual clock."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Advance the time by *seconds*."""
        ...


class Turns:
    """Passes the baton from thread to thread. Every method except `__init__` and `_alone` needs the mutex.

    A thread is running, ready, waiting (to be notified or for a timeout), blocked by a lock, or outside.
    """

    def __init__(self, clock: Time, picks: Picks, *, patience: float = 1.0) -> None:
        self.lost_baton = False
        self._clock = clock
        self._pick = picks.pick
        self._look = patience / _LOOKS
        self._own = threading.local()
        self._mutex = threading.Lock()  # contended only by threads that lost the baton or wait for it
        self._guests = 0  # scheduled threads of callers
        self._running: ThreadState | None = None
        self._ready: list[ThreadState] = []
        self._last: ThreadState | None = None  # runs when no other thread is ready, before time passes
        self._waiting: dict[ThreadState, None] = {}
        self._earliest = math.inf  # a lower bound of the earliest timeout
        self._blocked: dict[ThreadState, None] = {}  # blocked by a lock
        self._outside: set[ThreadState] = set()
        self._turns = 0
        self._asleep: list[ThreadState] = []
        self._spawned: list[SeededThread] = []

    def _alone(self) -> ThreadState | None:
        """Return the calling thread if it is running and no other is ready; cheap, without the mutex."""
        running = self._running
        if running is None or self._ready or getattr(self._own, "task", None) is not running:
            return None
        self._turns += 1
        return None if self._waiting and self._earliest <= self._clock.monotonic() else running

    # -- one thread's view ---------------------------------------------------------------------------------

    def _turn(self) -> ThreadState:
        """Return the calling thread, after waiting for the baton if it does not have it."""
        task: ThreadState | None = getattr(self._own, "task", None)
        if task is None:  # not spawned here: a thread of the test, or started by user code
            task = self._own.task = ThreadState(threading.current_thread().name)
        self._turns += 1
        if self._running is not task:
            self._outside.discard(task)
            self._ready.append(task)
            if self._running is None:
                self._hand_on(task)
            self._await_turn(task)
        return task

    def _pause(self, me: ThreadState) -> None:
        self._expire()
        if self._ready:
            self._ready.append(me)
            self._hand_on(me)
            self._await_turn(me)

    def _acquire(self, me: ThreadState, lock: SeededCondition) -> None:
        self._expire()
        if not self._ready and lock.owner is None:
            lock.owner = me
            me.wants = None
            return
        me.wants = lock
        self._ready.append(me)
        self._hand_on(me)
        self._await_turn(me)

    def _give_away(self, me: ThreadState, lock: SeededCondition) -> bool:
        if lock.owner is not me:
            if me.is_stuck:  # the deadlock ended the wait before it got the lock back
                return False
            message = "a thread releases a lock that it does not hold"
            raise RuntimeError(message)
        lock.owner = None
        may_go_on = bool(lock.entry)
        for task in lock.entry:
            del self._blocked[task]
        self._ready += lock.entry
        lock.entry.clear()
        return may_go_on

    def _wait(self, me: ThreadState, queue: list[ThreadState], timeout: float | None) -> bool:
        me.woken = False
        me.ends = math.inf if timeout is None else self._clock.monotonic() + max(0.0, timeout)
        me.queue = queue
        queue.append(me)
        self._waiting[me] = None
        self._earliest = min(self._earliest, me.ends)
        self._hand_on(me)
        self._await_turn(me)
        return me.woken

    def _let_all_others(self, me: ThreadState) -> None:
        self._expire()
        while self._ready or self._asleep:
            for task in self._asleep[:]:
                self._wake(task, woken=False)
            self._last = me
            self._hand_on(me)
            self._await_turn(me)

    def _happens(self, signal: SeededSignal) -> None:
        signal.is_set = True
        self._expire()
        for task in signal.queue[:]:
            self._wake(task, woken=True)

    # -- which thread runs ---------------------------------------------------------------------------------

    def _wake(self, task: ThreadState, *, woken: bool) -> None:
        if task.queue is not None:
            task.queue.remove(task)
            task.queue = None
        del self._waiting[task]
        task.woken = woken
        self._goes_on(task)

    def _goes_on(self, task: ThreadState) -> None:
        if task.wants is not None and task.wants.owner is not None:
            task.wants.entry.append(task)
            self._blocked[task] = None
        else:
            self._ready.append(task)

    def _expire(self, now: float | None = None) -> None:
        """Wake the threads that have timed out."""
        if not self._waiting:
            return
        now = self._clock.monotonic() if now is None else now
        if self._earliest <= now:
            for task in [task for task in self._waiting if task.ends <= now]:
                self._wake(task, woken=False)
            self._earliest = min((task.ends for task in self._waiting), default=math.inf)

    def _hand_on(self, me: ThreadState | None = None) -> None:
        """Pass the baton on, if a thread is ready; *me* will wait for its turn."""
        self._turns += 1
        if me is not None:
            me.at = sys._getframe()  # noqa: SLF001 - reading it from another thread can hang (CPython, gh-106883)
        self._running = chosen = self._choose()
        if chosen is not None and chosen is not me:
            chosen.gate.release()

    def _choose(self) -> ThreadState | None:
        self._expire()
        while True:
            while self._ready:
                task = self._picked()
                if (lock := task.wants) is None:
                    return task
                if lock.owner is None:
                    lock.owner, task.wants = task, None
                    return task
                self._goes_on(task)
            if self._last is not None:
                task, self._last = self._last, None
                return task
            if self._outside or not self._guests or not (self._waiting or self._blocked):
                return None
            self._let_time_pass()

    def _picked(self) -> ThreadState:
        ready = self._ready
        at = self._pick(ready) if len(ready) > 1 else 0
        ready[at], ready[-1] = ready[-1], ready[at]
        return ready.pop()

    def _let_time_pass(self) -> None:
        """Jump to the earliest timeout, because no thread is ready."""
        ends = min((task.ends for task in self._waiting), default=math.inf)
        if ends < math.inf:
            self._clock.sleep(max(1e-6, ends - self._clock.monotonic()))
            self._earliest = ends
            awake = [task for task in self._asleep if task.ends <= ends]
            for task in awake:  # before threads whose wait for its next action times out now
                self._wake(task, woken=False)
            if not awake:
                self._expire(max(ends, self._clock.monotonic()))
            return
        stuck = [*self._waiting, *self._blocked]
        error = deadlock_of(stuck)
        for task in stuck:
            task.error, task.is_stuck = error, True
            if task.queue is not None:
                self._wake(task, woken=False)
            elif task.wants is not None:
                task.wants.entry.remove(task)
                task.wants = None
                del self._blocked[task]
                self._ready.append(task)

    # -- threads outside -----------------------------------------------------------------------------------

    def _await_turn(self, me: ThreadState) -> None:
        """Return when *me* has the baton."""
        turns, looks = self._turns, 0
        while self._running is not me:
            look = self._look / 10 if self.lost_baton else self._look
            if self._running is None:  # no thread has the baton: time passes with real time
                look = min(look, max(0.001, self._earliest - self._clock.monotonic()))
            if self._is_let_through(me, look):
                if self._running is not me:  # it lost the baton before it noticed that it had it
                    self._outside.discard(me)
                    self._ready.append(me)
                    if self._running is None:
                        self._hand_on(me)
            elif self._turns == turns:
                looks += 1
                self._nothing_changed(me, looks, look)
            if self._turns != turns:
                turns, looks = self._turns, 0
        me.at = None
        me.gate.acquire(blocking=False)  # its gate may have been opened just after it stopped waiting there
        if me.error is not None:
            error, me.error = me.error, None
            raise error

    def _is_let_through(self, me: ThreadState, look: float) -> bool:
        self._mutex.release()
        try:
            acquired = me.gate.acquire(timeout=look)
        except BaseException:  # Ctrl-C, on the main thread
            self._mutex.acquire()
            self._goes_off(me)
            raise
        self._mutex.acquire()
        return acquired

    def _nothing_changed(self, me: ThreadState, looks: int, look: float) -> None:
        if self._running is not None:
            if looks < _LOOKS:
                return
            self.lost_baton = True
            self._outside.add(self._running)
            look *= looks
        elif not self._outside or not self._guests:
            return
        self._clock.sleep(look)
        self._hand_on(me)

    def _goes_off(self, me: ThreadState) -> None:
        """Move *me* outside, because its wait was interrupted."""
        if self._running is me:
            me.gate.acquire(blocking=False)
            return
        if me.queue is not None:
            me.queue.remove(me)
            me.queue = None
        if self._last is me:
            self._last = None
        if me in self._ready:
            self._ready.remove(me)
        if self._blocked.pop(me, me) is None and me.wants is not None:
            me.wants.entry.remove(me)
        me.wants = None
        self._waiting.pop(me, None)
        self._outside.add(me)
