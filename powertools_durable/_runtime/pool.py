"""Runs the branches of fan-outs on a bounded pool of threads.

A branch occupies a thread only while its code runs; a suspended branch keeps its slot in the plan. If the code of a
branch need not run, for example because an earlier invocation finished it, the branch is handled on the calling thread,
so branches start in index order.

The thread that called `map` or `parallel` coordinates the fan-out: it reports events to the plan and carries out the
plan's decisions. In a nested fan-out that is a thread of the pool. When all others are busy, it runs its branches
itself, so that a pool of any size handles any nesting.

Each idle thread waits for its own signal, so an event wakes one thread: a branch that is ready to run wakes a thread of
the pool, the end of a branch wakes its coordinator.
"""

from __future__ import annotations

import threading
from collections import deque
from contextvars import Context, copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeAlias

from powertools_durable._replay.effects import (
    Checkpoint,
    Ending,
    Enter,
    FanOut,
    Flow,
    Outcome,
    Raised,
    Returned,
    Suspended,
    Transfer,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.driving import outcome_of
from powertools_durable._runtime.environment import Clock, Signal, SteadyTime, Threads
from powertools_durable._runtime.scopes import AuxiliaryCode
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import BackendError, InvalidStateError, SuspendExecution
from powertools_durable.scope import SCOPE

__all__ = ["BranchPool", "Coordinator"]

Event: TypeAlias = Ending | BaseException
"""The end of a run of a branch's code; a bare exception is one that no completion rule may tolerate."""

_MAX_SLEEP = 1.0  # seconds after which a waiting coordinator reads the clock again
_POLL_AGAIN = 0.1  # seconds until a timer that the service still reports as running is polled again


class BranchDriver(Protocol):
    """The part of a driver that branches need."""

    pool: BranchPool
    checkpointer: Checkpointer
    deadline: Deadline

    def observe(self, op: OperationHandle, flow: Flow[Any]) -> Flow[Any]: ...

    def run_context(self, effect: Enter) -> Ending: ...

    def log_failure(self, frame: Frame, op: OperationHandle, effect: Checkpoint) -> None: ...


class Branch:
    """A branch that has begun: its flow, and its code, which is queued or runs."""

    __slots__ = ("code", "flow", "index", "op", "owner")

    def __init__(self, owner: Coordinator, index: int, op: OperationHandle, flow: Flow[Any]) -> None:
        self.owner = owner
        self.index = index
        self.op = op
        self.flow = flow
        self.code: Enter  # set by the flow's `Enter`


class BranchPool:
    """The threads of one invocation, started on demand.

    Parameters
    ----------
    limit : int
        The maximum number of threads; with 0 a coordinator runs its branches itself.

    Attributes
    ----------
    lock : AbstractContextManager
        Guards the pool, and the events of every coordinator.
    max_begun : int
        The maximum number of begun branches of a fan-out: for each thread one that runs and one that is queued.
    """

    def __init__(self, limit: int, checkpointer: Checkpointer, threads: Threads) -> None:
        self.lock = threads.lock()
        self.max_begun = max(1, 2 * limit)
        self.closing = False
        self.nested: set[Coordinator] = set()  # coordinators on threads of the pool that wait
        self.threads = threads
        self._limit = limit
        self._checkpointer = checkpointer
        self._ready: deque[Branch] = deque()
        self._started: list[threading.Thread] = []
        self._sleeping: list[Signal] = []  # of threads that wait for a branch
        self._idle = 0  # threads that wait, or were woken and have not run yet

    def submit(self, branch: Branch) -> None:
        """Queue a branch, whose code then runs on a thread of the pool."""
        with self.lock:
            self._ready.append(branch)
            if self._sleeping:
                self._sleeping.pop().set()
            elif self._idle < len(self._ready) and len(self._started) < self._limit and not self.closing:
                self._start_thread()

    def _start_thread(self) -> None:
        name = f"powertools-durable-branch-{len(self._started)}"
        try:
            thread = self.threads.spawn(partial(Context().run, self._work), name)
        except RuntimeError:  # no more threads: the existing ones, or the coordinator, do the work
            self._limit = len(self._started)
            self._wake_nested()
        else:
            self._started.append(thread)

    def owns(self, thread: threading.Thread) -> bool:
        """Return whether *thread* is one of the pool."""
        return thread in self._started

    def take(self, owner: Coordinator, *, nested: bool) -> Branch | None:
        """Take a queued branch of *owner* back, to run it on the coordinating thread; with the lock held.

        Only where the pool would otherwise wait for itself: the coordinator is one of its threads, or it has none.
        """
        if not (nested or self._limit == 0) or self._idle > 0 or len(self._started) < self._limit:
            return None
        branch = next((branch for branch in self._ready if branch.owner is owner), None)
        if branch is not None:
            self._ready.remove(branch)
        return branch

    def discard(self, owner: Coordinator) -> None:
        """Drop the queued branches of *owner*, whose results are no longer needed."""
        with self.lock:
            self._ready = deque(branch for branch in self._ready if branch.owner is not owner)

    def close(self, deadline: Deadline, *, wait: bool) -> None:
        """End the threads; with *wait*, wait for the code that still runs on them, but not past *deadline*."""
        with self.lock:
            self.closing = True
            self._ready.clear()
            while self._sleeping:
                self._sleeping.pop().set()
            self._wake_nested()
        for thread in self._started if wait else ():
            thread.join(timeout=deadline.patience)

    def _work(self) -> None:
        while (branch := self._next()) is not None:
            with self._checkpointer.contributors():
                while branch is not None:
                    branch.owner.run_branch(branch)
                    branch = self._next(wait=False)

    def _next(self, *, wait: bool = True) -> Branch | None:
        """Return the next branch; None when the pool closes or, without *wait*, when nothing is queued."""
        while True:
            with self.lock:
                if self.closing:
                    return None
                if self._ready:
                    if self.nested and self._idle == 0:  # a coordinator may have to run the other branches itself
                        self._wake_nested()
                    return self._ready.popleft()
                if not wait:
                    return None
                signal = self.threads.signal()
                self._sleeping.append(signal)
                self._idle += 1
            signal.wait()
            with self.lock:
                self._idle -= 1

    def _wake_nested(self) -> None:
        for coordinator in self.nested:
            coordinator.wake()


class Coordinator:
    """One fan-out in progress.

    Attributes
    ----------
    events : deque
        The ends of branches that are not handled yet, with the branches' indexes.
    """

    def __init__(self, effect: FanOut, driver: BranchDriver, clock: Clock) -> None:
        self.events: deque[tuple[int, Event]] = deque()
        self._effect = effect
        self._frame = effect.frame
        self._plan = effect.plan
        self._driver = driver
        self._pool = driver.pool
        self._checkpointer = driver.checkpointer
        self._time = SteadyTime(clock)
        scope = SCOPE.get()
        self._scope = scope and replace(scope, where=AuxiliaryCode(self._frame, "the serdes of a branch"))
        self._variables = copy_context()
        self._nested = driver.pool.owns(threading.current_thread())
        self._signals: dict[int, SuspendExecution] = {}  # by suspended branch
        self._bell: Signal | None = None  # wakes this thread, once

    def run(self) -> Any:
        """Run the branches until the plan is complete.

        Raises
        ------
        SuspendExecution
            Every branch in flight is suspended.
        BaseException
            An error that no completion rule may tolerate: a fault of the service, changed code, misuse.
        """
        plan = self._plan
        try:
            with self._checkpointer.contributors():
                while plan.reason is None:
                    while plan.running < self._pool.max_begun and (index := plan.admit()) is not None:
                        self._begin(index)
                    if plan.reason is None:
                        self._continue()
            return self._effect.result()
        except SuspendExecution:
            raise
        except BaseException:
            self._frame.finished = True  # branches that still run become orphans
            raise
        finally:
            self._pool.discard(self)

    # -- on the coordinating thread ------------------------------------------------------------------------

    def _continue(self) -> None:
        """Handle an event, or resume suspended branches.

        Raises
        ------
        SuspendExecution
            Every branch in flight is suspended.
        """
        if self._plan.running:
            if (event := self._next_event()) is not None:
                self._handle(*event)
        elif not self._resume_ready():
            signals = self._signals.values()
            until = min((signal.until for signal in signals if signal.until is not None), default=None)
            raise SuspendExecution(until, tuple(op for signal in signals for op in signal.waits_for))

    def _handle(self, index: int, event: Event) -> None:
        match event:
            case Returned() | Raised():
                self._plan.ended(index, event)
            case Suspended(signal):
                self._signals[index] = signal
                self._plan.suspended(index, self._poll_time(signal.until))
            case error:
                raise error

    def _poll_time(self, until: datetime | None) -> datetime | None:
        """Return when to ask the service for a timer that is due then."""
        return until if until is None or until > (now := self._time.now()) else now + timedelta(seconds=_POLL_AGAIN)

    def _resume_ready(self) -> bool:
        """Send all queued updates, and resume the branches that can continue after the response.

        The responses show which timers have fired and which callbacks were answered. The service does not invoke again
        for those, so suspending without looking would lose them (I08).
        """
        if self._frame.engine.pending:
            self._checkpointer.checkpoint(self._frame, None)
        if self._seconds_to(self._plan.earliest) <= 0:
            self._resume_due()
            return True
        answered = [index for index, signal in self._signals.items() if any(op.is_over for op in signal.waits_for)]
        for index in answered:
            self._plan.resumed(index)
            self._begin(index)
        return bool(answered)

    def _resume_due(self) -> None:
        """Poll the service for timers that have fired, and enter their branches again."""
        self._checkpointer.checkpoint(self._frame, None)
        for index in self._plan.wake(self._time.now()):
            self._begin(index)

    def _begin(self, index: int) -> None:
        op, flow = self._effect.branch(index)
        self._signals.pop(index, None)
        if (event := self._advance(Branch(self, index, op, self._driver.observe(op, flow)), None)) is not None:
            self._handle(index, event)  # it has ended already, for example in an earlier invocation

    def _next_event(self) -> tuple[int, Event] | None:
        """Wait for an event and return it; None after a timer, or after running a branch on this thread."""
        pool = self._pool
        with pool.lock:
            if self.events:
                return self.events.popleft()
            if pool.closing:  # the queued branches were dropped
                raise BranchOrphaned
            branch = pool.take(self, nested=self._nested)
            due_in = self._seconds_to(self._plan.earliest)
            left = min(due_in, self._driver.deadline.patience)
            if branch is None and left > 0:
                bell = self._bell = pool.threads.signal()
                self._checkpointer.idle(1)
                if self._nested:
                    pool.nested.add(self)
        if branch is not None:
            self.run_branch(branch)
        elif left > 0:
            bell.wait(min(left, _MAX_SLEEP))
            with pool.lock:
                pool.nested.discard(self)
                self.wake()
        elif due_in <= 0:
            self._resume_due()
        else:
            late = BackendError("the invocation ends while branches still run", retryable=True)
            self._frame.engine.interrupt(late)
            raise CheckpointingStopped(late)
        return None

    def _seconds_to(self, moment: datetime | None) -> float:
        return threading.TIMEOUT_MAX if moment is None else (moment - self._time.now()).total_seconds()

    # -- on any thread -------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake the coordinating thread if it waits; it no longer counts as idle; with the lock held."""
        if self._bell is not None:
            self._bell.set()
            self._bell = None
            self._checkpointer.idle(-1)

    def run_branch(self, branch: Branch) -> None:
        """Run the code of a branch, then continue its own operation."""
        event = self._variables.copy().run(self._run, branch)
        if event is not None:
            self._post(branch.index, event)

    def _run(self, branch: Branch) -> Event | None:
        SCOPE.set(self._scope)  # for a serdes of the user's; the branch's code gets its own
        try:
            ending = self._driver.run_context(branch.code)
        except BaseException as error:  # noqa: BLE001 - decided by the coordinating thread
            return error
        if isinstance(ending, Suspended):
            # The traceback refers to frames that refer to the signal: a cycle that only the collector would free.
            ending.signal.__traceback__ = None
            return ending
        return self._advance(branch, ending)

    def _advance(self, branch: Branch, answer: Outcome | None) -> Event | None:
        """Perform the effects of a branch's own operation; return its event, or None if its code is to run."""
        try:
            while True:
                match branch.flow.send(answer):
                    case Checkpoint(update, closes=closes) as effect:
                        self._driver.log_failure(self._frame, branch.op, effect)
                        # The branch's own updates are not awaited: the end of the fan-out is sent after all of them,
                        # and it is awaited. A crash before that repeats the branch.
                        self._checkpointer.submit(self._frame, update, wait=False, ahead=True, closes=closes)
                        answer = None
                    case Transfer() as effect:  # it may take as long as the branch's code may
                        answer = outcome_of(effect)
                    case Enter() as code:
                        branch.code = code
                        self._pool.submit(branch)
                        return None
                    case effect:
                        return InvalidStateError(f"the flow of a branch yielded {type(effect).__name__}")
        except StopIteration as done:
            return Returned(done.value)
        except UNRECOVERABLE as error:
            return error
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            return Raised(error)
        except BaseException as signal:  # noqa: BLE001 - decided by the coordinating thread
            return signal

    def _post(self, index: int, event: Event) -> None:
        with self._pool.lock:
            self.events.append((index, event))
            self.wake()
