"""Threads that a seed decides about: real ones, of which one runs at a time.

Whoever runs holds the baton. Wherever a thread takes a lock, waits, lets others go on, starts a thread or ends, the
seed picks who goes on among those who can. When nobody can, time jumps to the next moment at which somebody gives up
waiting, so that waits inside the library take no real time. The same seed gives the same interleaving, another seed
another one.

Code that blocks by itself, in a real ``time.sleep`` or at a lock of its own, would stop all others for ever. So the
baton is taken from a thread that does not come back to the library for a second. It is *outside* then, beside the
others, until it comes back; meanwhile virtual time passes as real time does. Only then is an interleaving no longer
the seed's alone, and `SeededThreads.lost_baton` says so.
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
    """Makes the threads of one run, and all that they wait at; see `powertools_durable._runtime.environment.Threads`.

    Parameters
    ----------
    clock : Time
        The run's.
    picks : Picks
        Decides who goes on.
    patience : float
        Real seconds that a thread may keep the baton without coming back.

    Attributes
    ----------
    lost_baton : bool
        True when some thread kept it longer: from then on the interleaving depends on the machine too.
    """

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
        """Start a thread; it runs when it is picked."""
        context = Context()  # of the caller's, only whose lines are whose
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
        """Let the calling thread run as one of them; it leaves when no other can go on without time passing."""
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
        """Let the seed pick who goes on."""
        if self._alone() is not None:
            return
        with self._mutex:
            self._pause(self._turn())

    def sleep(self, seconds: float) -> None:
        """Let others go on until *seconds* of virtual time have passed, or nobody takes part any more."""
        with self._mutex:
            self._wait(self._turn(), self._asleep, seconds)

    # -- for conditions, signals and threads ---------------------------------------------------------------

    def acquire(self, lock: SeededCondition) -> None:
        """Take *lock* when it is free and the thread is picked."""
        if lock.owner is None and (me := self._alone()) is not None:
            lock.owner = me
            return
        with self._mutex:
            self._acquire(self._turn(), lock)

    def release(self, lock: SeededCondition) -> None:
        """Give *lock* away; whoever stood before it may be picked."""
        if not lock.entry and lock.owner is self._running is getattr(self._own, "task", None):
            self._turns += 1
            lock.owner = None
            return
        with self._mutex:
            me = self._turn()
            if self._give_away(me, lock):
                self._pause(me)

    def wait(self, queue: list[ThreadState], timeout: float | None, lock: SeededCondition | None = None) -> bool:
        """Stand in *queue*, without *lock*, until woken; False after *timeout* virtual seconds."""
        with self._mutex:
            me = self._turn()
            if lock is not None:
                self._give_away(me, lock)
                me.wants = lock
            try:
                return self._wait(me, queue, timeout)
            finally:
                if lock is not None and lock.owner is not me:  # interrupted: the caller's `with` gives it away
                    self._acquire(me, lock)

    def wait_for(self, signal: SeededSignal, timeout: float | None) -> bool:
        """Wait until *signal* is set; False after *timeout* virtual seconds."""
        with self._mutex:
            me = self._turn()
            return signal.is_set or self._wait(me, signal.queue, timeout) or signal.is_set

    def wake(self, queue: list[ThreadState], count: int | None = None) -> None:
        """Let the first *count* in *queue* go on, those excepted whose time is over."""
        with self._mutex:
            self._turn()
            self._expire()
            for task in queue[:count]:
                self._wake(task, woken=True)

    def set(self, signal: SeededSignal) -> None:
        """Let whoever waits for *signal* go on."""
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
        """Run no more; *over* tells."""
        with self._mutex:
            self._turns += 1
            self._outside.discard(task)
            self._happens(over)
            if self._running in (task, None):
                self._hand_on()

    def takes_part(self) -> bool:
        """True for a thread that runs when it is picked, while somebody takes part."""
        return self._guests > 0 and getattr(self._own, "task", None) is not None
