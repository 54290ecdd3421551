"""Runs the branches of fan-outs on a bounded pool of threads.

A branch occupies a thread only while its code runs; a suspended branch keeps its slot in the plan. A branch whose code
need not run, for example because an earlier invocation finished it, is handled on the calling thread; therefore
branches start in index order.

One thread coordinates a fan-out: the one that called `map` or `parallel`. It reports events to the plan and carries
out the plan's decisions. In a nested fan-out that thread belongs to the pool itself; when all others are busy too, it
runs its branches itself, so that a pool of any size handles any nesting.

A thread that has nothing to do waits for a signal of its own, so an event wakes one thread: a branch to run a thread of
the pool, the end of a branch its coordinator.
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
)
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Clock, Signal, Threads
from powertools_durable._runtime.scopes import Beside
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import BackendError, InvalidStateError, SuspendExecution
from powertools_durable.scope import SCOPE

__all__ = ["BranchPool", "Coordinator"]

Event: TypeAlias = Ending | BaseException
"""What became of a branch; an exception of its own is one that no completion rule may tolerate."""

_LOOK = 1.0  # seconds between two looks at the clock
_SKEW = 0.1  # seconds until a timer that the service still reports as running is polled again


class RunsBranches(Protocol):
    """The part of a driver that branches need."""

    pool: BranchPool
    checkpointer: Checkpointer
    deadline: Deadline

    def heard(self, op: OperationHandle, flow: Flow[Any]) -> Flow[Any]: ...

    def run_context(self, effect: Enter) -> Ending: ...

    def notice(self, frame: Frame, op: OperationHandle, effect: Checkpoint) -> None: ...


class Branch:
    """A branch that is entered: its flow, and the code that is ready to run, or runs."""

    __slots__ = ("code", "flow", "index", "op", "owner")

    def __init__(self, owner: Coordinator, index: int, op: OperationHandle, flow: Flow[Any]) -> None:
        self.owner = owner
        self.index = index
        self.op = op
        self.flow = flow
        self.code: Enter  # once the flow has asked for it


class BranchPool:
    """The threads of one invocation, started on demand.

    Parameters
    ----------
    limit : int
        The maximum number of threads; with none a coordinator runs its branches itself.

    Attributes
    ----------
    lock : AbstractContextManager
        Guards the pool, and the events of every coordinator.
    appetite : int
        How many branches of a fan-out are begun at most: one runs on each thread, and one is at hand.
    """

    def __init__(self, limit: int, checkpointer: Checkpointer, threads: Threads) -> None:
        self.lock = threads.lock()
        self.appetite = max(1, 2 * limit)
        self.closing = False
        self.nested: set[Coordinator] = set()  # coordinators on threads of the pool that wait
        self.threads = threads
        self._limit = limit
        self._checkpointer = checkpointer
        self._ready: deque[Branch] = deque()
        self._started: list[threading.Thread] = []
        self._sleeping: list[Signal] = []  # of threads that wait for a branch
        self._idle = 0  # threads that wait, or are about to go on

    def submit(self, branch: Branch) -> None:
        """Have a branch's code run."""
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
            self._have_nested_look()
        else:
            self._started.append(thread)

    def owns(self, thread: threading.Thread) -> bool:
        """Return whether *thread* is one of the pool."""
        return thread in self._started

    def take(self, owner: Coordinator, *, nested: bool) -> Branch | None:
        """Take a branch of *owner* back that no thread is free for, to run where it is coordinated; with the lock held.

        Only where the pool would wait for itself: on one of its threads, and when it has none.
        """
        if not (nested or self._limit == 0) or self._idle > 0 or len(self._started) < self._limit:
            return None
        branch = next((branch for branch in self._ready if branch.owner is owner), None)
        if branch is not None:
            self._ready.remove(branch)
        return branch

    def discard(self, owner: Coordinator) -> None:
        """Drop the branches of *owner* that no thread has begun: their results are not needed any more."""
        with self.lock:
            self._ready = deque(branch for branch in self._ready if branch.owner is not owner)

    def close(self, deadline: Deadline, *, wait: bool) -> None:
        """End the threads; with *wait*, wait for the code that still runs on them, but not past *deadline*."""
        with self.lock:
            self.closing = True
            self._ready.clear()
            while self._sleeping:
                self._sleeping.pop().set()
            self._have_nested_look()
        for thread in self._started if wait else ():
            thread.join(timeout=deadline.patience)

    def _work(self) -> None:
        while (branch := self._next()) is not None:
            with self._checkpointer.contributors():
                while branch is not None:
                    branch.owner.run_branch(branch)
                    branch = self._next(wait=False)

    def _next(self, *, wait: bool = True) -> Branch | None:
        """Return the next branch; None when the pool closes, or nothing is queued."""
        while True:
            with self.lock:
                if self.closing:
                    return None
                if self._ready:
                    if self.nested and self._idle == 0:  # one of them may have to run what remains
                        self._have_nested_look()
                    return self._ready.popleft()
                if not wait:
                    return None
                signal = self.threads.signal()
                self._sleeping.append(signal)
                self._idle += 1
            signal.wait()
            with self.lock:
                self._idle -= 1

    def _have_nested_look(self) -> None:
        for coordinator in self.nested:
            coordinator.ring()


class Coordinator:
    """One fan-out in progress.

    Attributes
    ----------
    events : deque
        What became of branches, with their indexes, and was not yet handled.
    """

    def __init__(self, effect: FanOut, driver: RunsBranches, clock: Clock) -> None:
        self.events: deque[tuple[int, Event]] = deque()
        self._effect = effect
        self._frame = effect.frame
        self._plan = effect.plan
        self._driver = driver
        self._pool = driver.pool
        self._checkpointer = driver.checkpointer
        self._clock = clock
        self._began = clock.now(), clock.monotonic()
        scope = SCOPE.get()
        self._scope = scope and replace(scope, where=Beside(self._frame, "the serdes of a branch"))
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
                    while plan.running < self._pool.appetite and (index := plan.admit()) is not None:
                        self._begin(index)
                    if plan.reason is None:
                        self._go_on()
            return self._effect.result()
        except SuspendExecution:
            raise
        except BaseException:
            self._frame.finished = True  # branches that still run become orphans
            raise
        finally:
            self._pool.discard(self)

    # -- on the coordinating thread ------------------------------------------------------------------------

    def _go_on(self) -> None:
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
                self._plan.suspended(index, self._to_be_polled(signal.until))
            case error:
                raise error

    def _to_be_polled(self, until: datetime | None) -> datetime | None:
        """Return when to ask the service for a timer that is due then."""
        return until if until is None or until > (now := self._now()) else now + timedelta(seconds=_SKEW)

    def _resume_ready(self) -> bool:
        """Send what is queued, as the end of the invocation would, and resume the branches that can continue after it.

        The responses of this invocation show which timers have fired and which callbacks were answered, so the service
        would not invoke again because of them (I08).
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
        for index in self._plan.wake(self._now()):
            self._begin(index)

    def _begin(self, index: int) -> None:
        op, flow = self._effect.branch(index)
        self._signals.pop(index, None)
        if (event := self._advance(Branch(self, index, op, self._driver.heard(op, flow)), None)) is not None:
            self._handle(index, event)  # it ended at once, for example because an earlier invocation finished it

    def _next_event(self) -> tuple[int, Event] | None:
        """Wait for an event, or until something else has to be looked at; run a branch that no thread is free for."""
        pool = self._pool
        with pool.lock:
            if self.events:
                return self.events.popleft()
            if pool.closing:  # what this waits for was dropped
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
            bell.wait(min(left, _LOOK))
            with pool.lock:
                pool.nested.discard(self)
                self.ring()
        elif due_in <= 0:
            self._resume_due()
        else:
            late = BackendError("the invocation ends while branches still run", retryable=True)
            self._frame.engine.interrupt(late)
            raise CheckpointingStopped(late)
        return None

    def _seconds_to(self, moment: datetime | None) -> float:
        return threading.TIMEOUT_MAX if moment is None else (moment - self._now()).total_seconds()

    def _now(self) -> datetime:
        """Return the start time plus the monotonic time since then, so that setting the clock moves no timer."""
        moment, monotonic = self._began
        return moment + timedelta(seconds=self._clock.monotonic() - monotonic)

    # -- on any thread -------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Wake the coordinating thread if it waits, which from now on may add to what is sent; with the lock held."""
        if self._bell is not None:
            self._bell.set()
            self._bell = None
            self._checkpointer.idle(-1)

    def run_branch(self, branch: Branch) -> None:
        """Run the code of a branch, and what its own operation does afterwards."""
        event = self._variables.copy().run(self._run, branch)
        if event is not None:
            self._post(branch.index, event)

    def _run(self, branch: Branch) -> Event | None:
        SCOPE.set(self._scope)  # of everything but the branch's code: a serdes of the user's may run
        try:
            ending = self._driver.run_context(branch.code)
        except BaseException as error:  # noqa: BLE001 - decided by the coordinating thread
            return error
        if isinstance(ending, Suspended):
            # It holds the stack, whose context holds the signal: a cycle, which only the collector would free.
            ending.signal.__traceback__ = None
            return ending
        return self._advance(branch, ending)

    def _advance(self, branch: Branch, answer: Outcome | None) -> Event | None:
        """Perform the effects of a branch's own operation; return its event, or None if its code is to run."""
        try:
            while True:
                match branch.flow.send(answer):
                    case Checkpoint(update, closes=closes) as effect:
                        self._driver.notice(self._frame, branch.op, effect)
                        # A branch's own updates need no waiting: the end of the fan-out is sent after all of them
                        # and is waited for. A crash before that repeats the branch.
                        self._checkpointer.submit(self._frame, update, wait=False, ahead=True, closes=closes)
                        answer = None
                    case Enter() as code:
                        branch.code = code
                        self._pool.submit(branch)
                        return None
                    case effect:
                        return InvalidStateError(f"a branch asked for {type(effect).__name__}")
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
            self.ring()
