"""Who has the baton: what `SeededThreads` decides by."""

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

_LOOKS = 4  # times that a waiting thread finds nothing changed before it takes the baton from whoever has it


class Time(Protocol):
    """The virtual clock."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let *seconds* have passed."""
        ...


class Turns:
    """Gives the baton from one thread to another. Every method but `__init__` wants the mutex to be held.

    A thread runs, or it is ready to, waits to be woken or for its time to be over, stands before a lock that is
    taken, or is outside.
    """

    def __init__(self, clock: Time, picks: Picks, *, patience: float = 1.0) -> None:
        self.lost_baton = False
        self._clock = clock
        self._pick = picks.pick
        self._look = patience / _LOOKS
        self._own = threading.local()
        self._mutex = threading.Lock()  # contended only by threads that lost the baton, and those that look
        self._guests = 0  # callers' threads that take part
        self._running: ThreadState | None = None
        self._ready: list[ThreadState] = []
        self._last: ThreadState | None = None  # goes on when nobody else is ready, before time passes
        self._waiting: dict[ThreadState, None] = {}
        self._earliest = math.inf  # when the first of them gives up, or somewhat before
        self._blocked: dict[ThreadState, None] = {}  # stand before a lock that is taken
        self._outside: set[ThreadState] = set()
        self._turns = 0
        self._asleep: list[ThreadState] = []
        self._spawned: list[SeededThread] = []

    def _alone(self) -> ThreadState | None:
        """Return the calling thread if it runs and no other could; needs no mutex, and costs next to nothing."""
        running = self._running
        if running is None or self._ready or getattr(self._own, "task", None) is not running:
            return None
        self._turns += 1
        return None if self._waiting and self._earliest <= self._clock.monotonic() else running

    # -- one thread's view ---------------------------------------------------------------------------------

    def _turn(self) -> ThreadState:
        """Return the calling thread, which runs from now on if it did not."""
        task: ThreadState | None = getattr(self._own, "task", None)
        if task is None:  # nobody spawned it: a test's own, or one that user code started
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
            if me.is_stuck:  # the deadlock ended its waiting before it had the lock again
                return False
            message = "a thread gives a lock away that it has not taken"
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

    # -- who runs ------------------------------------------------------------------------------------------

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
        """Let those go on whose time is over."""
        if not self._waiting:
            return
        now = self._clock.monotonic() if now is None else now
        if self._earliest <= now:
            for task in [task for task in self._waiting if task.ends <= now]:
                self._wake(task, woken=False)
            self._earliest = min((task.ends for task in self._waiting), default=math.inf)

    def _hand_on(self, me: ThreadState | None = None) -> None:
        """Give the baton to somebody, or to nobody; *me* will wait for its turn."""
        self._turns += 1
        if me is not None:
            me.at = sys._getframe()  # noqa: SLF001 - asking from another thread can hang (CPython, gh-106883)
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
        """Nobody can go on now: jump to the next moment at which somebody can."""
        ends = min((task.ends for task in self._waiting), default=math.inf)
        if ends < math.inf:
            self._clock.sleep(max(1e-6, ends - self._clock.monotonic()))
            self._earliest = ends
            awake = [task for task in self._asleep if task.ends <= ends]
            for task in awake:  # before those who would not have waited any longer for what it does next
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

    # -- threads that block by themselves ------------------------------------------------------------------

    def _await_turn(self, me: ThreadState) -> None:
        """Return when *me* runs."""
        turns, looks = self._turns, 0
        while self._running is not me:
            look = self._look / 10 if self.lost_baton else self._look
            if self._running is None:  # time passes as real time does
                look = min(look, max(0.001, self._earliest - self._clock.monotonic()))
            if self._is_let_through(me, look):
                if self._running is not me:  # it lost the baton again before it noticed
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
        me.gate.acquire(blocking=False)  # it may have been let through just after it stopped standing there
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
        """Let *me* run beside the others: something has interrupted its waiting."""
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
