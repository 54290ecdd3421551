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
   lock   |  | notified, or               |  |  v
   free   |  | timed out                  |  |  outside --> ready, at its next switch point
          |  +------------- waiting <-----+  |
          +---------------- blocked <--------+
                            (the lock is taken)

Code that blocks outside the library, in a real ``time.sleep`` or on its own lock, would stop all other threads. So a
thread that reaches no switch point for a second loses the baton and is *outside*: it runs in parallel to the others
until its next switch point, and meanwhile virtual time passes with real time. Only then does the interleaving depend
on anything besides the seed; `SeededThreads.lost_baton` is True afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial

from powertools_durable.testing.simulation.captured_output import LISTENING
from powertools_durable.testing.simulation.thread_states import SeededCondition, SeededSignal, SeededThread, ThreadState
from powertools_durable.testing.simulation.turns import Turns

__all__ = ["SeededThreads"]


class SeededThreads(Turns):
    """The threads of one run, with their conditions; see `powertools_durable._runtime.environment.Threads`.

    Parameters
    ----------
    clock : Time
        The virtual clock of the run.
    picks : Picks
        Chooses which thread runs next.
    patience : float
        Real seconds after which a thread without a switch point loses the baton.

    Attributes
    ----------
    lost_baton : bool
        True when some thread lost the baton: from then on the interleaving depends on the machine too.
    """

    virtual = True

    # -- what the library uses -----------------------------------------------------------------------------

    def lock(self) -> SeededCondition:
        """Make a lock."""
        return SeededCondition(self)

    def condition(self) -> SeededCondition:
        """Make a condition."""
        return SeededCondition(self)

    def signal(self) -> SeededSignal:
        """Make a signal."""
        return SeededSignal(self)

    def spawn(self, run: Callable[[], None], name: str) -> threading.Thread:
        """Start a thread; it runs when it is chosen."""
        context = Context()  # of the caller's context, keep only which recorder gets its output
        context.run(LISTENING.set, LISTENING.get())
        thread = SeededThread(self, partial(context.run, run), name)
        thread.start()
        self._spawned.append(thread)
        with self._mutex:
            me = self._turn()
            self._ready.append(thread.task)
            self._pause(me)
        return thread

    # -- for the kit ---------------------------------------------------------------------------------------

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """Schedule the calling thread too, during the block; it leaves when no other thread is ready."""
        with self._mutex:
            me = self._turn()
            self._guests += 1
        try:
            yield
        finally:
            with self._mutex:
                self._turn()
                if self._guests == 1:
                    self._let_all_others(me)
                    self._running = None
                self._guests -= 1
            for thread in [thread for thread in self._spawned if thread.is_over]:
                self._spawned.remove(thread)
                thread.join()

    def pause(self) -> None:
        """Switch point: let the seed choose which thread runs next."""
        if self._alone() is not None:
            return
        with self._mutex:
            self._pause(self._turn())

    def sleep(self, seconds: float) -> None:
        """Let other threads run until *seconds* of virtual time have passed, or no caller takes part any more."""
        with self._mutex:
            self._wait(self._turn(), self._asleep, seconds)

    # -- for conditions, signals and threads ---------------------------------------------------------------

    def acquire(self, lock: SeededCondition) -> None:
        """Take *lock* when it is free and the thread is chosen."""
        if lock.owner is None and (me := self._alone()) is not None:
            lock.owner = me
            return
        with self._mutex:
            self._acquire(self._turn(), lock)

    def release(self, lock: SeededCondition) -> None:
        """Release *lock*; a thread that is blocked by it becomes ready."""
        if not lock.entry and lock.owner is self._running is getattr(self._own, "task", None):
            self._turns += 1
            lock.owner = None
            return
        with self._mutex:
            me = self._turn()
            if self._give_away(me, lock):
                self._pause(me)

    def wait(self, queue: list[ThreadState], timeout: float | None, lock: SeededCondition | None = None) -> bool:
        """Wait in *queue*, without *lock*, until woken; return False after *timeout* virtual seconds."""
        with self._mutex:
            me = self._turn()
            if lock is not None:
                self._give_away(me, lock)
                me.wants = lock
            try:
                return self._wait(me, queue, timeout)
            finally:
                if lock is not None and lock.owner is not me:  # interrupted: the caller's `with` releases it
                    self._acquire(me, lock)

    def wait_for(self, signal: SeededSignal, timeout: float | None) -> bool:
        """Wait until *signal* is set; return False after *timeout* virtual seconds."""
        with self._mutex:
            me = self._turn()
            return signal.is_set or self._wait(me, signal.queue, timeout) or signal.is_set

    def wake(self, queue: list[ThreadState], count: int | None = None) -> None:
        """Wake the first *count* threads in *queue* that have not timed out."""
        with self._mutex:
            self._turn()
            self._expire()
            for task in queue[:count]:
                self._wake(task, woken=True)

    def set(self, signal: SeededSignal) -> None:
        """Set *signal* and wake the thread that waits for it."""
        with self._mutex:
            me = self._turn()
            self._happens(signal)
            self._pause(me)

    def begin(self, task: ThreadState) -> None:
        """Wait for the first turn."""
        self._own.task = task
        with self._mutex:
            self._await_turn(task)

    def end(self, task: ThreadState, over: SeededSignal) -> None:
        """End *task*, and set *over*."""
        with self._mutex:
            self._turns += 1
            self._outside.discard(task)
            self._happens(over)
            if self._running in (task, None):
                self._hand_on()

    def takes_part(self) -> bool:
        """True for a thread that is scheduled here, while a caller takes part."""
        return self._guests > 0 and getattr(self._own, "task", None) is not None
