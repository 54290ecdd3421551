"""Real threads, scheduled by a seed: one runs at a time.

The running thread holds the baton. A thread reaches a *switch point* when it takes or releases a lock, waits, pauses,
starts a thread or ends. There the seed chooses which of the ready threads gets the baton. If no thread is ready,
virtual time jumps to the earliest timeout, so waiting inside the library takes no real time. The same seed gives the
same interleaving.

The states of a thread::

                    chosen by the seed
          ready ------------------------> running ------> ended
          ^  ^  <------------------------ |  |  |
          |  |       switch point         |  |  | no switch point for a second
   lock   |  | signal set, or             |  |  v
   free   |  | timed out                  |  |  outside --> ready, at its next switch point
          |  +------------- waiting <-----+  |
          +---------------- blocked <--------+
                            (the lock is taken)

Code that blocks outside the library, in a real ``time.sleep`` or on its own lock, would stop all other threads. So a
thread that reaches no switch point for a second loses the baton and is *outside*: until its next switch point it runs
in parallel to the others, and if no other thread can run, virtual time passes with real time. From then on
`SeededThreads.lost_baton` is True, and the interleaving no longer depends on the seed alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial

from powertools_durable.testing.simulation.captured_output import RECORDERS
from powertools_durable.testing.simulation.random_schedule import Schedule
from powertools_durable.testing.simulation.run_queue import RunQueue, Time
from powertools_durable.testing.simulation.thread_states import SeededLock, SeededSignal, SeededThread, ThreadState

__all__ = ["SeededThreads"]

_LOOKS = 4  # checks without any change after which a waiting thread takes the baton from the running one


class SeededThreads:
    """The threads of one run, with their locks and signals; see `powertools_durable._runtime.environment.Threads`.

    Parameters
    ----------
    clock : Time
        The virtual clock of the run.
    schedule : Schedule
        Chooses which thread runs next.
    patience : float
        Real seconds after which a thread without a switch point loses the baton.

    Attributes
    ----------
    lost_baton : bool
        A thread has lost the baton: from then on the interleaving depends on the machine too.
    """

    virtual = True

    def __init__(self, clock: Time, schedule: Schedule, *, patience: float = 1.0) -> None:
        self.lost_baton = False
        self._clock = clock
        self._look = patience / _LOOKS
        self._own = threading.local()
        self._mutex = threading.Lock()  # contended only by threads that lost the baton or wait for it
        self._queue = RunQueue(clock, schedule)
        self._turns = 0
        self._spawned: list[SeededThread] = []

    # -- for the library -----------------------------------------------------------------------------

    def lock(self) -> SeededLock:
        """Make a lock."""
        return SeededLock(self)

    def signal(self) -> SeededSignal:
        """Make a signal."""
        return SeededSignal(self)

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a thread; it runs when it is chosen."""
        context = Context()  # of the caller's context variables, keep only the recorders of its output
        context.run(RECORDERS.set, RECORDERS.get())
        thread = SeededThread(self, partial(context.run, run), name)
        thread.start()
        self._spawned.append(thread)
        with self._mutex:
            me = self._take_turn()
            self._queue.ready.append(thread.task)
            self._pause(me)
        return thread

    # -- for the kit ---------------------------------------------------------------------------------------

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """Schedule the calling thread too, during the block; the block ends when no other thread is ready."""
        with self._mutex:
            me = self._take_turn()
            self._queue.guests += 1
        try:
            yield
        finally:
            with self._mutex:
                self._take_turn()
                if self._queue.guests == 1:
                    self._run_all_others(me)
                    self._queue.running = None
                self._queue.guests -= 1
            for thread in [thread for thread in self._spawned if thread.is_over]:
                self._spawned.remove(thread)
                thread.join()

    def pause(self) -> None:
        """Switch point: let the seed choose which thread runs next."""
        if self._running_alone() is not None:
            return
        with self._mutex:
            self._pause(self._take_turn())

    def sleep(self, seconds: float) -> None:
        """Let other threads run until *seconds* of virtual time have passed, or the last `taking_part` block ends."""
        with self._mutex:
            self._wait(self._take_turn(), self._queue.asleep, seconds)

    # -- for locks, signals and threads ---------------------------------------------------------------

    def acquire(self, lock: SeededLock) -> None:
        """Take *lock* when it is free and the thread is chosen."""
        if lock.owner is None and (me := self._running_alone()) is not None:
            lock.owner = me
            return
        with self._mutex:
            self._acquire(self._take_turn(), lock)

    def release(self, lock: SeededLock) -> None:
        """Release *lock*; a thread that is blocked by it becomes ready."""
        if not lock.entry and lock.owner is self._queue.running is getattr(self._own, "task", None):
            self._turns += 1
            lock.owner = None
            return
        with self._mutex:
            me = self._take_turn()
            if lock.owner is not me:
                message = "a thread releases a lock that it does not hold"
                raise RuntimeError(message)
            if self._queue.unblock(lock):
                self._pause(me)

    def wait_for(self, signal: SeededSignal, timeout: float | None) -> bool:
        """Wait until *signal* is set; return False after *timeout* virtual seconds."""
        with self._mutex:
            me = self._take_turn()
            return signal.is_set or self._wait(me, signal.queue, timeout) or signal.is_set

    def set(self, signal: SeededSignal) -> None:
        """Set *signal* and wake the thread that waits for it."""
        with self._mutex:
            me = self._take_turn()
            self._queue.set_signal(signal)
            self._pause(me)

    def begin(self, task: ThreadState) -> None:
        """Wait for the first turn of *task*; called on its thread."""
        self._own.task = task
        with self._mutex:
            self._await_turn(task)

    def end(self, task: ThreadState, over: SeededSignal) -> None:
        """End *task*, and set *over*."""
        with self._mutex:
            self._turns += 1
            self._queue.outside.discard(task)
            self._queue.set_signal(over)
            if self._queue.running in (task, None):
                self._pass_baton()

    def takes_part(self) -> bool:
        """Return whether the calling thread is scheduled here, in a `taking_part` block of some thread."""
        return self._queue.guests > 0 and getattr(self._own, "task", None) is not None

    # -- turns; all methods except `_running_alone` are called with the mutex held -----------------------------

    def _running_alone(self) -> ThreadState | None:
        """Return the calling thread if it has the baton and no other thread is ready; cheap, without the mutex."""
        queue = self._queue
        running = queue.running
        if running is None or queue.ready or getattr(self._own, "task", None) is not running:
            return None
        self._turns += 1
        return None if queue.is_due else running

    def _take_turn(self) -> ThreadState:
        """Wait until the calling thread has the baton; return its state."""
        task: ThreadState | None = getattr(self._own, "task", None)
        if task is None:  # not spawned here: a thread of the test, or started by user code
            task = self._own.task = ThreadState(threading.current_thread().name)
        self._turns += 1
        if self._queue.running is not task:
            self._queue.outside.discard(task)
            self._queue.ready.append(task)
            if self._queue.running is None:
                self._pass_baton(task)
            self._await_turn(task)
        return task

    def _pause(self, me: ThreadState) -> None:
        self._queue.expire()
        if self._queue.ready:
            self._queue.ready.append(me)
            self._pass_baton(me)
            self._await_turn(me)

    def _acquire(self, me: ThreadState, lock: SeededLock) -> None:
        self._queue.expire()
        if not self._queue.ready and lock.owner is None:
            lock.owner = me
            me.wants = None
            return
        me.wants = lock
        self._queue.ready.append(me)
        self._pass_baton(me)
        self._await_turn(me)

    def _wait(self, me: ThreadState, queue: list[ThreadState], timeout: float | None) -> bool:
        self._queue.wait(me, queue, timeout)
        self._pass_baton(me)
        self._await_turn(me)
        return me.woken

    def _run_all_others(self, me: ThreadState) -> None:
        self._queue.expire()
        while self._queue.ready or self._queue.asleep:
            for task in self._queue.asleep[:]:
                self._queue.wake(task, woken=False)
            self._queue.last = me
            self._pass_baton(me)
            self._await_turn(me)

    def _pass_baton(self, me: ThreadState | None = None) -> None:
        """Pass the baton to the next thread, if there is one; *me* waits for its turn afterwards."""
        self._turns += 1
        if me is not None:
            me.at = sys._getframe()  # noqa: SLF001 - for messages; read from another thread it can hang (CPython, gh-106883)
        self._queue.running = chosen = self._queue.choose()
        if chosen is not None and chosen is not me:
            chosen.gate.release()

    def _await_turn(self, me: ThreadState) -> None:
        """Return when *me* has the baton."""
        turns, looks = self._turns, 0
        while self._queue.running is not me:
            look = self._look / 10 if self.lost_baton else self._look
            if self._queue.running is None:  # no thread has the baton: time passes with real time
                look = min(look, max(0.001, self._queue.earliest - self._clock.monotonic()))
            if self._wait_at_gate(me, look):
                if self._queue.running is not me:  # it got the baton and lost it again before it ran
                    self._queue.outside.discard(me)
                    self._queue.ready.append(me)
                    if self._queue.running is None:
                        self._pass_baton(me)
            elif self._turns == turns:
                looks += 1
                self._take_baton_if_stuck(me, looks, look)
            if self._turns != turns:
                turns, looks = self._turns, 0
        me.at = None
        me.gate.acquire(blocking=False)  # close the gate, which may have been opened after the wait timed out
        if me.error is not None:
            error, me.error = me.error, None
            raise error

    def _wait_at_gate(self, me: ThreadState, look: float) -> bool:
        self._mutex.release()
        try:
            acquired = me.gate.acquire(timeout=look)
        except BaseException:  # Ctrl-C, on the main thread
            self._mutex.acquire()
            if self._queue.running is me:
                me.gate.acquire(blocking=False)
            else:
                self._queue.leave(me)
            raise
        self._mutex.acquire()
        return acquired

    def _take_baton_if_stuck(self, me: ThreadState, looks: int, look: float) -> None:
        if self._queue.running is not None:
            if looks < _LOOKS:
                return
            self.lost_baton = True
            self._queue.outside.add(self._queue.running)
            look *= looks
        elif not self._queue.outside or not self._queue.guests:
            return
        self._clock.sleep(look)
        self._pass_baton(me)
