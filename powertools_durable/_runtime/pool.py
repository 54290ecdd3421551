"""Runs the branches of fan-outs on a bounded pool of threads.

A branch occupies a thread only while its code runs; a suspended branch keeps its slot in the plan. A branch whose code
need not run, for example because an earlier invocation finished it, is handled on the calling thread; therefore
branches start in index order.

One thread coordinates a fan-out: the one that called `map` or `parallel`. It reports events to the plan and carries
out the plan's decisions. In a nested fan-out that thread belongs to the pool itself; when all others are busy too, it
runs its branches itself, so that a pool of any size handles any nesting.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from powertools_durable._frozen import frozen
from powertools_durable._replay.effects import Checkpoint, Effect, Enter, FanOut, Flow, Outcome, Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Clock, Threads
from powertools_durable._runtime.scopes import Beside
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import BackendError, InvalidStateError, SuspendExecution
from powertools_durable.scope import SCOPE

__all__ = ["BranchPool", "Coordinator", "Means"]

News = Callable[[], None]  # an event of a branch, handled on the coordinating thread
_LOOK = 1.0  # seconds between two checks for a free thread
_SKEW = 0.1  # seconds until a timer that the service still reports as running is polled again


class EntersContexts(Protocol):
    """The part of a driver that branches need."""

    def heard(self, op: OperationHandle, flow: Flow[Any]) -> Flow[Any]: ...

    def enter(self, outer: Frame, effect: Enter) -> Outcome: ...

    def notice(self, frame: Frame, op: OperationHandle, effect: Checkpoint) -> None: ...


@frozen
class Task:
    """Code of a branch that is ready to run."""

    owner: Coordinator
    run: Callable[[], None]


class BranchPool:
    """The threads of one invocation, started on demand.

    Parameters
    ----------
    limit : int
        The maximum number of threads.
    """

    def __init__(self, limit: int, checkpointer: Checkpointer, threads: Threads) -> None:
        self.changed = threads.condition()
        self.lock = getattr(self.changed, "lock", self.changed)
        self._from = threads
        self._limit = limit
        # Branches that are started ahead of their thread: one runs, one is at hand.
        self.appetite = 2 * limit
        self._checkpointer = checkpointer
        self._ready: deque[Task] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self.closing = False
        self.helpers = 0  # coordinators on threads of the pool that wait

    def submit(self, task: Task) -> None:
        """Have a branch's code run."""
        with self.lock:
            self._ready.append(task)
            if self._idle:
                self.changed.notify_all()
            if self._idle < len(self._ready) and len(self._threads) < self._limit and not self.closing:
                self._start_thread()

    def _start_thread(self) -> None:
        name = f"powertools-durable-branch-{len(self._threads)}"
        try:
            thread = self._from.spawn(partial(Context().run, self._work), name)
        except RuntimeError:  # no more threads: the existing ones, or the coordinator, do the work
            self._limit = len(self._threads)
            self.changed.notify_all()
        else:
            self._threads.append(thread)

    def needs_help(self) -> bool:
        """True on a thread of the pool, and when the pool has none: then a coordinator runs its own branches."""
        return self._limit == 0 or threading.current_thread() in self._threads

    def take(self, owner: Coordinator) -> Task | None:
        """Take a task of *owner* back, if no thread is free for it; with `changed` held."""
        if self._idle > 0 or len(self._threads) < self._limit:
            return None
        task = next((task for task in self._ready if task.owner is owner), None)
        if task is not None:
            self._ready.remove(task)
        return task

    def discard(self, owner: Coordinator) -> None:
        """Drop the tasks of *owner* that no thread has begun: their results are not needed any more."""
        with self.lock:
            self._ready = deque(task for task in self._ready if task.owner is not owner)

    def close(self, deadline: Deadline, *, wait: bool) -> None:
        """End the threads; with *wait*, wait for the code that still runs on them, but not past *deadline*."""
        with self.lock:
            self.closing = True
            self._ready.clear()
            self.changed.notify_all()
        for thread in self._threads if wait else ():
            thread.join(timeout=deadline.patience)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            with self._checkpointer.contributors():
                while task is not None:
                    task.run()
                    task = self._next(wait=False)

    def _next(self, *, wait: bool = True) -> Task | None:
        """Return the next task; None when the pool closes, or nothing is queued."""
        with self.lock:
            self._idle += wait
            while wait and not self._ready and not self.closing:
                self.changed.wait()
            self._idle -= wait
            if not self._ready or self.closing:
                return None
            if self.helpers and self._idle == 0:  # one of the waiting coordinators may have to run the remaining tasks
                self.changed.notify_all()
            return self._ready.popleft()


@frozen
class Means:
    """What a coordinator needs of its driver."""

    driver: EntersContexts
    pool: BranchPool
    checkpointer: Checkpointer
    deadline: Deadline
    clock: Clock


class Coordinator:
    """One fan-out in progress."""

    def __init__(self, effect: FanOut, means: Means) -> None:
        self._effect = effect
        self._plan = effect.plan
        self._driver = means.driver
        self._pool = means.pool
        self._checkpointer = means.checkpointer
        self._deadline = means.deadline
        self._clock = means.clock
        self._began = means.clock.now(), means.clock.monotonic()
        self._variables = copy_context()
        self._news: deque[News] = deque()
        self._wanted: dict[int, datetime | None] = {}  # the due time of a branch's timer on the service's clock
        self._awaited: dict[int, tuple[OperationHandle, ...]] = {}  # by suspended branch
        self._waits = False

    def run(self) -> Any:
        """Run the branches until the plan is complete.

        Raises
        ------
        SuspendExecution
            Every branch in flight is suspended.
        BaseException
            An error that no completion rule may tolerate: a fault of the service, changed code, misuse.
        """
        try:
            with self._checkpointer.contributors():
                while self._plan.reason is None:
                    self._go_on_from_here()
            return self._effect.result()
        except SuspendExecution:
            raise
        except BaseException:
            self._effect.frame.finished = True  # branches that still run become orphans
            raise
        finally:
            self._pool.discard(self)

    # -- on the coordinating thread ------------------------------------------------------------------------

    def _go_on_from_here(self) -> None:
        while self._plan.running < self._pool.appetite and (index := self._plan.admit()) is not None:
            self._begin(index)
        if self._plan.reason is not None:
            return
        if self._plan.running == 0:
            if not self._goes_on():
                waits_for = tuple(op for ops in self._awaited.values() for op in ops)
                raise SuspendExecution(
                    min((m for m in self._wanted.values() if m is not None), default=None), waits_for
                )
            return
        self._listen()

    def _goes_on(self) -> bool:
        """Send what is queued, as the end of the invocation would, and resume the branches that can continue after it.

        The responses of this invocation show which timers have fired and which callbacks were answered, so the service
        would not invoke again because of them (I08).
        """
        if self._effect.frame.engine.pending:
            self._checkpointer.checkpoint(self._effect.frame, None)
        if self._seconds_to(self._plan.earliest) <= 0:
            self._wake()
            return True
        answered = [index for index, ops in self._awaited.items() if any(op.is_over for op in ops)]
        for index in answered:
            self._plan.resumed(index)
            self._begin(index)
        return bool(answered)

    def _begin(self, index: int) -> None:
        op, flow = self._effect.branch(index)
        # A frame for this branch's signals: the fan-out's own frame is shared by all branches.
        slot = Frame(op.engine, parent=self._effect.frame, context_id=op.id, parent_id=op.parent_id, sealed=True)
        self._wanted.pop(index, None)
        self._awaited.pop(index, None)
        if (news := self._advance(index, op, slot, self._driver.heard(op, flow), None)) is not None:
            news()  # it ended at once, for example because an earlier invocation finished it

    def _listen(self) -> None:
        """Handle events of branches, or wait for one, or for the timer of a suspended branch."""
        with self._pool.lock:
            self._stand_still(waits=not self._news)
            helps = self._pool.needs_help()
            self._pool.helpers += helps
            helped = self._wait()
            self._pool.helpers -= helps
            self._stand_still(waits=False)
            news, self._news = self._news, deque()
        if news:
            while news and self._plan.reason is None:
                news.popleft()()
        elif helped is not None:
            helped.run()
        elif self._pool.closing:
            raise BranchOrphaned
        elif self._seconds_to(self._plan.earliest) <= 0:
            self._wake()
        elif self._deadline.patience <= 0:
            late = BackendError("the invocation ends while branches still run", retryable=True)
            self._effect.frame.engine.interrupt(late)
            raise CheckpointingStopped(late)

    def _wait(self) -> Task | None:
        """Wait until there is something to do; return a task that no thread is free for."""
        while not self._news and not self._pool.closing:  # closing: the tasks that this waits for were dropped
            if self._pool.needs_help() and (helped := self._pool.take(self)) is not None:
                return helped
            left = min(self._seconds_to(self._plan.earliest), self._deadline.patience)
            if left <= 0:
                break
            self._pool.changed.wait(min(left, _LOOK))
        return None

    def _stand_still(self, *, waits: bool) -> None:
        """Let the sender know whether more may come from here soon; with the pool's lock held."""
        if waits is not self._waits:
            self._waits = waits
            self._checkpointer.idle(1 if waits else -1)

    def _seconds_to(self, moment: datetime | None) -> float:
        return threading.TIMEOUT_MAX if moment is None else (moment - self._now()).total_seconds()

    def _now(self) -> datetime:
        """Return the start time plus the monotonic time since then, so that setting the clock moves no timer."""
        moment, monotonic = self._began
        return moment + timedelta(seconds=self._clock.monotonic() - monotonic)

    def _wake(self) -> None:
        """Poll the service for timers that have fired, and enter their branches again."""
        self._checkpointer.checkpoint(self._effect.frame, None)
        for index in self._plan.wake(self._now()):
            self._begin(index)

    def _suspended(self, index: int, signal: SuspendExecution) -> None:
        until = self._wanted[index] = signal.until
        self._awaited[index] = signal.waits_for
        now = self._now()
        self._plan.suspended(index, now + timedelta(seconds=_SKEW) if until is not None and until <= now else until)

    # -- on the branch's thread ---------------------------------------------------------------------------

    def _advance(self, index: int, op: OperationHandle, slot: Frame, flow: Flow[Any], answer: object) -> News | None:
        """Perform the effects of a branch's own operation; return its event, or None if its code is to run."""
        try:
            while True:
                effect: Effect = flow.send(answer)
                match effect:
                    case Checkpoint(update, closes=closes):
                        self._driver.notice(slot, op, effect)
                        # A branch's own updates need no waiting: the end of the fan-out is sent after all of them
                        # and is waited for. A crash before that repeats the branch.
                        self._checkpointer.submit(slot, update, wait=False, ahead=True, closes=closes)
                        answer = None
                    case Enter():
                        self._pool.submit(Task(self, partial(self._enter, index, op, slot, flow, effect)))
                        return None
                    case _:
                        _throw(InvalidStateError(f"a branch asked for {type(effect).__name__}"))
        except StopIteration as done:
            return partial(self._plan.ended, index, Returned(done.value))
        except UNRECOVERABLE as error:
            return partial(_throw, error)
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            return partial(self._plan.ended, index, Raised(error))
        except BaseException as signal:  # noqa: BLE001 - decided by the coordinating thread
            return partial(_throw, signal)

    def _enter(self, index: int, op: OperationHandle, slot: Frame, flow: Flow[Any], effect: Enter) -> None:
        """Run a branch's code."""
        try:
            outcome = self._variables.copy().run(self._driver.enter, slot, effect)
        except SuspendExecution as signal:
            self._tell(partial(self._suspended, index, signal))
        except BaseException as error:  # noqa: BLE001 - decided by the coordinating thread
            self._tell(partial(_throw, error))
        else:
            news = self._variables.copy().run(self._advance_beside, index, op, slot, flow, outcome)
            if news is not None:
                self._tell(news)

    def _advance_beside(
        self, index: int, op: OperationHandle, slot: Frame, flow: Flow[Any], outcome: Outcome
    ) -> News | None:
        """Continue a branch, which may run a serdes of the user's."""
        scope = SCOPE.get()
        if scope is not None:
            SCOPE.set(replace(scope, where=Beside(self._effect.frame, "the serdes of a branch")))
        return self._advance(index, op, slot, flow, outcome)

    def _tell(self, news: News) -> None:
        with self._pool.lock:
            self._stand_still(waits=False)
            self._news.append(news)
            self._pool.changed.notify_all()


def _throw(error: BaseException) -> None:
    raise error
