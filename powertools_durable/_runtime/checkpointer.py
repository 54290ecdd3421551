"""Takes batches from the engine, calls the backend, completes the waiters.

Tokens form a chain, so requests follow one another. Whatever is queued while a request is in flight is the next
request: a database's group commit. A round, which is one request and what its answer changes, is run by

* the thread that waits for the answer, when no branches run and the backend says how long a call can take, and the
  invocation lasts longer than that: a thread that makes a call can't be freed from it (G7), so it must know that
  the call ends in time. And that it has the stack for it: what is deep in contexts has not (reliability.md 2, row 60);
* else the sender, a thread that starts with the first update that it may have to send, and ends with the invocation.
  An invocation that only replays has none. It also ends the rounds that others must put down half-way.

When a request goes out:

* somebody waits for an answer, or 250 updates are queued: at once;
* only updates nobody waits for are queued (the START of a step): after a second, or with the next that
  somebody waits for, so that a short step costs one call;
* only updates of batch mode are queued: with the next of the above.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime
from typing import NoReturn

from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.engine import Queued, ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.acknowledged import Acknowledged
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.requests import Requests, Round
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError, NonDeterminismError, SuspendExecution, ValidationError

__all__ = ["Checkpointer"]

_LINGER = 1.0  # seconds an update that nobody waits for stays for company (protocol.md 9.6)
_QUIET = 0.005  # seconds of silence after which a request with company goes out ...
_COMPANY = 0.02  # ... and after which it does in any case


class Checkpointer:
    """Sends what the engine owes, in order, one request at a time.

    Its lock is the engine's: every change of the engine happens under it.
    """

    def __init__(
        self, engine: ReplayEngine, backend: DurableBackend, deadline: Deadline, environment: Environment
    ) -> None:
        self._engine = engine
        self._requests = Requests(backend, engine.state.durable_execution_arn, deadline, environment)
        self._deadline = deadline
        self._environment = environment
        self._changed = environment.threads.condition()
        self._lock = getattr(self._changed, "lock", self._changed)
        self._thread: threading.Thread | None = None
        self._linger_until: float | None = None
        self._nobody = Context()  # an empty one: what is sent has no scope, and no trace to add to (powertools.md, E4)
        self._longest: float | None = getattr(backend, "call_timeout", None)
        self._busy = False  # a round is under way
        self._put_down: Round | None = None  # one that is for the sender to end
        self._closing = False
        self._company: set[int] = set()  # the threads that run branches
        self._gathering = False
        self._blocked = 0  # threads that wait for an answer

    # -- for those who checkpoint --------------------------------------------------------------------------

    def submit(
        self,
        frame: Frame,
        update: OperationUpdate | None,
        *,
        wait: bool,
        deferred: bool = False,
        ahead: bool = False,
        closes: Frame | None = None,
    ) -> Acknowledged | None:
        """Queue an update of *frame* for the sender; with *wait* return what its acknowledgement completes.

        One that is *ahead*, or *deferred*, changes the local view at once.

        Raises
        ------
        CheckpointingStopped, SuspendExecution
            This invocation can't checkpoint any more.
        BranchOrphaned
            The context around *frame* has ended.
        """
        waiter = Acknowledged() if wait else None
        with self._lock:
            now = self._environment.clock.now() if deferred or ahead else None
            self._queue(frame, update, waiter, deferred=deferred, now=now, closes=closes)
            self._call_sender()
        return waiter

    def checkpoint(
        self,
        frame: Frame,
        update: OperationUpdate | None,
        *,
        wait: bool = True,
        deferred: bool = False,
        closes: Frame | None = None,
    ) -> None:
        """Queue an update, and with *wait* block until the service has it and its answer is merged; see `submit`."""
        if not wait:
            self.submit(frame, update, wait=False, deferred=deferred, closes=closes)
            return
        waiter = Acknowledged()
        own: Round | None = None
        try:
            with self._lock:
                self._queue(frame, update, waiter, closes=closes)
                own = self._own_round()
                if own is None:
                    self._stand_still_for(waiter)
            if own is not None:
                self._perform(own, self._longest)
        except BaseException as error:
            if own is not None:  # what was to be sent may be lost, so nothing more may be
                self._stop(error, own.batch.items)
            raise
        self.await_(waiter)

    def _queue(
        self,
        frame: Frame,
        update: OperationUpdate | None,
        waiter: Acknowledged | None,
        *,
        deferred: bool = False,
        now: datetime | None = None,
        closes: Frame | None = None,
    ) -> None:
        if (stopped := self._why_stopped()) and not (update is None and self._is_mistaken):
            raise stopped
        if frame.is_orphaned:
            raise BranchOrphaned
        if closes is not None:  # under the lock: from now on nothing below may be queued
            closes.finished = True
        self._engine.record(update, waiter, deferred=deferred, now=now)

    def _own_round(self) -> Round | None:
        """Take the next batch for the calling thread to send; None when that is for the sender to do."""
        if self._busy or self._running or not self._requests.may_be_made_here(self._longest):
            self._call_sender()
            return None
        batch = self._engine.next_batch()
        self._busy = batch is not None
        self._linger_until = None
        return self._requests.round(batch) if batch is not None else None

    def await_(self, waiter: Acknowledged) -> None:
        """Block until *waiter* is complete, never past the invocation's end (reliability.md 1, G7)."""
        if not waiter.done:
            if waiter.signal is None:
                with self._lock:
                    self._stand_still_for(waiter)
            if waiter.signal is not None and not waiter.signal.wait(self._deadline.patience):
                self._give_up()
        if waiter.error is not None:
            raise waiter.error

    def _stand_still_for(self, waiter: Acknowledged) -> None:
        if not waiter.done:
            waiter.signal = self._environment.threads.signal()
            waiter.blocks = True
            self._blocked += 1
        if self._gathering and self._blocked >= self._running:
            self._changed.notify()  # the last one: there is no more company to wait for

    def _give_up(self) -> NoReturn:
        late = BackendError(
            "the service did not answer before this invocation must end; Lambda will invoke again", retryable=True
        )
        with self._lock:
            self._engine.interrupt(late)
            dropped = self._drop_all()
        self._fail(dropped)
        raise CheckpointingStopped(late)

    def interrupt(self, error: BaseException, *, unless_over: Frame) -> None:
        """Let *error* decide how this invocation ends, if the handler of the root *unless_over* still runs."""
        with self._lock:
            if not unless_over.closed:
                self._engine.interrupt(error)

    @contextmanager
    def company(self) -> Iterator[None]:
        """While a thread has branches to run: others' requests wait a little for what it may add."""
        me = threading.get_ident()
        if me in self._company:  # it coordinates a fan-out inside of a branch, and can't wait twice
            yield
            return
        with self._lock:
            self._company.add(me)
        try:
            yield
        finally:
            with self._lock:
                self._company.discard(me)
                if self._gathering and self._blocked >= self._running:
                    self._changed.notify()

    @property
    def _running(self) -> int:
        return len(self._company)

    def stands_still(self, by: int) -> None:
        """Count a coordinator that has nothing to do as waiting, or no longer."""
        with self._lock:
            self._blocked += by
            if self._gathering and self._blocked >= self._running:
                self._changed.notify()

    def flush(self, frame: Frame) -> None:
        """Send everything queued and wait for the answer; without anything queued, do nothing.

        Also when a mistake in the code has ended the invocation: what was queued before it shows where that was.
        """
        with self._lock:
            if not self._engine.pending or (self._why_stopped() and not self._is_mistaken):
                return
        self.checkpoint(frame, None)

    def close(self) -> None:
        """End the sender; what is still queued is dropped."""
        with self._lock:
            self._closing = self._requests.closing = True
            dropped = self._drop_all()
            self._changed.notify()
        self._fail(dropped)
        if self._thread is not None:
            self._thread.join(timeout=self._deadline.patience)

    def _why_stopped(self) -> BaseException | None:
        engine = self._engine
        if engine.interruption is not None:
            return CheckpointingStopped(engine.interruption)
        if engine.revoked or engine.finished or self._closing:
            return SuspendExecution()
        return None

    @property
    def _is_mistaken(self) -> bool:
        """True when it is the code that has interrupted the engine: the service still takes what it is sent."""
        engine = self._engine
        over = engine.revoked or engine.finished or self._closing
        return isinstance(engine.interruption, (ValidationError, NonDeterminismError)) and not over

    # -- the sender ----------------------------------------------------------------------------------------

    def _call_sender(self) -> None:
        """See that there is one, and wake it if there is something to send at once."""
        if self._thread is None:
            self._start_sender()
        pressing = self._engine.is_pressing and (not self._gathering or self._engine.is_full)
        if pressing or self._put_down is not None:
            self._changed.notify()

    def _start_sender(self) -> None:
        try:
            self._thread = self._environment.threads.spawn(self._run, "powertools-durable-checkpointer")
        except RuntimeError:
            late = BackendError(
                "no thread could be started to send checkpoints; Lambda will invoke again", retryable=True
            )
            self._engine.interrupt(late)
            self._engine.drop_all()
            raise CheckpointingStopped(late) from None

    def _run(self) -> None:
        try:
            while (this := self._next_round()) is not None:
                self._perform(this, None)
        except BaseException as error:  # noqa: BLE001 - nor for a sender that is dead
            self._stop(error, ())

    def _next_round(self) -> Round | None:
        with self._lock:
            while not self._closing:
                if self._put_down is not None:
                    this, self._put_down = self._put_down, None
                    return this
                if not self._busy and (self._engine.is_pressing or self._has_lingered()):
                    self._busy = True
                    self._await_company()
                    self._linger_until = None
                    batch = self._engine.next_batch()
                    return self._requests.round(batch) if batch is not None else None
                self._changed.wait(_LINGER)  # nobody wakes it for an update that may linger, so it looks itself
            return None

    def _await_company(self) -> None:
        """Let branches that run now share the request, for as long as they keep adding to it."""
        ends = self._environment.clock.monotonic() + _COMPANY
        queued = -1
        while (
            self._running > self._blocked
            and self._engine.queued != queued
            and not self._engine.is_full
            and self._environment.clock.monotonic() < ends
        ):
            queued = self._engine.queued
            self._gathering = True
            self._changed.wait(_QUIET)
        self._gathering = False

    def _has_lingered(self) -> bool:
        if not self._engine.is_lingering:
            return False
        now = self._environment.clock.monotonic()
        if self._linger_until is None:
            self._linger_until = now + _LINGER
        return now >= self._linger_until

    def _drop_all(self) -> list[Queued]:
        put_down, self._put_down = self._put_down, None
        return [*(put_down.batch.items if put_down is not None else ()), *self._engine.drop_all()]

    # -- a round -------------------------------------------------------------------------------------------

    def _perform(self, this: Round, longest: float | None) -> None:
        """Make a request and merge its answer, on a thread that may be left behind; or not, with *longest*."""
        ended = True
        try:
            ended = self._nobody.run(self._send, this, longest)
        except BaseException as error:  # whatever it is, nobody may wait for an answer in vain
            self._stop(error, this.batch.items)
            if not isinstance(error, Exception):  # a developer's ctrl-C is theirs
                raise
        finally:
            with self._lock:
                self._busy = not ended
                if not ended:
                    self._put_down = this
                if not ended or (longest is not None and self._engine.is_pressing):  # others queued, or it did not fit
                    self._call_sender()

    def _send(self, this: Round, longest: float | None) -> bool:
        """Do as much of a round as may be done here; True when that is all."""
        if this.missing is None:
            response = self._requests.send(this, longest)
            if response is None:
                return False
            with self._lock:
                marker = self._engine.receive(this.batch, response, self._environment.clock.now())
            this.missing = self._requests.pages(self._engine.token, marker)
        while self._requests.ends_in_time(longest):
            page = next(this.missing, None)
            if page is None:
                if self._engine.revoked:
                    self._revoke(this.batch.items)
                self._complete(this.batch.items)
                return True
            self._engine.state.absorb(page)
        return False

    def _revoke(self, items: Iterable[Queued]) -> None:
        """The token was withdrawn: everybody who waits, or still comes, is suspended."""
        with self._lock:
            dropped = self._drop_all()
        self._complete((*items, *dropped), SuspendExecution())

    def _stop(self, error: BaseException, items: Iterable[Queued]) -> None:
        """A request failed for good: it poisons the invocation (protocol.md 9.7)."""
        with self._lock:
            self._engine.interrupt(error)
            dropped = self._drop_all()
        self._fail((*items, *dropped))

    def _fail(self, items: Iterable[Queued]) -> None:
        self._complete(items, self._why_stopped() or SuspendExecution())

    def _complete(self, items: Iterable[Queued], error: BaseException | None = None) -> None:
        """Complete those who wait for *items*; from now on they count as going on, though they have not noticed yet."""
        waiters = []
        with self._lock:
            for item in items:
                waiter = item.waiter
                if isinstance(waiter, Acknowledged) and not waiter.done:
                    waiter.error, waiter.done = error, True
                    self._blocked -= waiter.blocks
                    waiter.blocks = False
                    waiters.append(waiter)
        for waiter in waiters:
            waiter.tell()
