"""The one sender: takes batches from the engine, calls the backend, completes the waiters.

Tokens form a chain, so requests follow one another, and one thread sends them. Whatever is queued while a
request is in flight is the next request: a database's group commit. The thread starts with the first update
and ends with the invocation; an invocation that only replays never has one.

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
from functools import partial
from typing import NoReturn

from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.engine import Batch, Queued, ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.paging import pages
from powertools_durable._runtime.seams import Seams, Signal
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError, SuspendExecution

__all__ = ["Acknowledged", "Checkpointer"]

_LINGER = 1.0  # seconds an update that nobody waits for stays for company (protocol.md 9.6)
_QUIET = 0.005  # seconds of silence after which a request with company goes out ...
_COMPANY = 0.02  # ... and after which it does in any case
_SENDS = 4  # how often one request is tried; botocore has tried some times before
_BACKOFF = 0.1  # seconds before the second try, doubled each time, with full jitter
_BACKOFF_CAP = 2.0


class Acknowledged:
    """Completed when the service has the update, or never will have it; changed under the checkpointer's lock.

    Attributes
    ----------
    done : bool
        It is complete.
    error : BaseException | None
        What whoever waits for it shall raise.
    blocks : bool
        A thread stands still for it.
    """

    __slots__ = ("blocks", "done", "error", "signal")

    def __init__(self) -> None:
        self.done = self.blocks = False
        self.error: BaseException | None = None
        self.signal: Signal | None = None

    def tell(self) -> None:
        """Let whoever waits go on."""
        if self.signal is not None:
            self.signal.set()


class Checkpointer:
    """Sends what the engine owes, in order, one request at a time.

    Its lock is the engine's: every change of the engine happens under it.
    """

    def __init__(self, engine: ReplayEngine, backend: DurableBackend, deadline: Deadline, seams: Seams) -> None:
        self._engine = engine
        self._backend = backend
        self._deadline = deadline
        self._seams = seams
        self._changed = seams.threads.condition()
        self._thread: threading.Thread | None = None
        self._linger_until: float | None = None
        self._closing = False
        self._running = 0  # branches whose code runs, on threads of their own
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
        """Queue an update of *frame*; with *wait* return what its acknowledgement completes.

        One that is *ahead*, or *deferred*, changes the local view at once.

        Raises
        ------
        CheckpointingStopped, SuspendExecution
            This invocation can't checkpoint any more.
        BranchOrphaned
            The context around *frame* has ended.
        """
        waiter = Acknowledged() if wait else None
        with self._changed:
            if stopped := self._why_stopped():
                raise stopped
            if frame.is_orphaned:
                raise BranchOrphaned
            if closes is not None:  # under the lock: from now on nothing below may be queued
                closes.finished = True
            now = self._seams.clock.now() if deferred or ahead else None
            self._engine.record(update, waiter, deferred=deferred, now=now)
            self._ensure_sender()
            if self._engine.is_pressing and (not self._gathering or self._engine.is_full):
                self._changed.notify()
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
        """Queue an update, and with *wait* block until the service has it and its answer is merged."""
        waiter = self.submit(frame, update, wait=wait, deferred=deferred, closes=closes)
        if waiter is not None:
            self.await_(waiter)

    def await_(self, waiter: Acknowledged) -> None:
        """Block until *waiter* is complete, never past the invocation's end (reliability.md 1, G7)."""
        signal = None
        with self._changed:
            if not waiter.done:
                signal = waiter.signal = self._seams.threads.signal()
                waiter.blocks = True
                self._blocked += 1
            if self._gathering and self._blocked >= self._running:
                self._changed.notify()  # the last one: there is no more company to wait for
        if signal is not None and not signal.wait(self._deadline.patience):
            self._give_up()
        if waiter.error is not None:
            raise waiter.error

    def _give_up(self) -> NoReturn:
        late = BackendError(
            "the service did not answer before this invocation must end; Lambda will invoke again", retryable=True
        )
        with self._changed:
            self._engine.interrupt(late)
            dropped = self._engine.drop_all()
        self._fail(dropped)
        raise CheckpointingStopped(late)

    @contextmanager
    def company(self) -> Iterator[None]:
        """While a thread has branches to run: others' requests wait a little for what it may add."""
        with self._changed:
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                if self._gathering and self._blocked >= self._running:
                    self._changed.notify()

    def stands_still(self, by: int) -> None:
        """Count a coordinator that has nothing to do as waiting, or no longer."""
        with self._changed:
            self._blocked += by
            if self._gathering and self._blocked >= self._running:
                self._changed.notify()

    def flush(self, frame: Frame) -> None:
        """Send everything queued and wait for the answer; without anything queued, do nothing."""
        with self._changed:
            if not self._engine.pending or self._why_stopped():
                return
        self.checkpoint(frame, None)

    def close(self) -> None:
        """End the sender; what is still queued is dropped."""
        with self._changed:
            self._closing = True
            dropped = self._engine.drop_all()
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

    # -- the sender ----------------------------------------------------------------------------------------

    def _ensure_sender(self) -> None:
        if self._thread is not None:
            return
        # An empty context: a sender has no scope, and no trace to add to (powertools.md 1.4, E4).
        try:
            self._thread = self._seams.threads.spawn(
                partial(Context().run, self._run), "powertools-durable-checkpointer"
            )
        except RuntimeError:
            late = BackendError(
                "no thread could be started to send checkpoints; Lambda will invoke again", retryable=True
            )
            self._engine.interrupt(late)
            self._engine.drop_all()
            raise CheckpointingStopped(late) from None

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._send(batch)
        except BaseException as error:  # noqa: BLE001 - nor for a sender that is dead
            self._stop(error, ())

    def _next_batch(self) -> Batch | None:
        with self._changed:
            while not self._closing:
                if self._engine.is_pressing or self._has_lingered():
                    self._await_company()
                    self._linger_until = None
                    return self._engine.next_batch()
                self._changed.wait(_LINGER)  # nobody wakes it for an update that may linger, so it looks itself
            return None

    def _await_company(self) -> None:
        """Let branches that run now share the request, for as long as they keep adding to it."""
        ends = self._seams.clock.monotonic() + _COMPANY
        queued = -1
        while (
            self._running > self._blocked
            and self._engine.queued != queued
            and not self._engine.is_full
            and self._seams.clock.monotonic() < ends
        ):
            queued = self._engine.queued
            self._gathering = True
            self._changed.wait(_QUIET)
        self._gathering = False

    def _has_lingered(self) -> bool:
        if not self._engine.is_lingering:
            return False
        now = self._seams.clock.monotonic()
        if self._linger_until is None:
            self._linger_until = now + _LINGER
        return now >= self._linger_until

    def _send(self, batch: Batch) -> None:
        try:
            response = self._call(batch)
            self._receive(batch, response)
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody may wait for an answer in vain
            self._stop(error, batch.items)
            return
        self._complete(batch.items)

    def _call(self, batch: Batch) -> CheckpointResponse:
        """Make the request, again if that may help: same tokens, so the service applies it once (9.3)."""
        client_token = f"{self._seams.random.getrandbits(128):032x}"
        arn = self._engine.state.durable_execution_arn
        updates = batch.updates
        sends = 0
        while True:
            try:
                return self._backend.checkpoint(arn, batch.token, updates, client_token)
            except BackendError as error:
                sends += 1
                pause = min(_BACKOFF_CAP, _BACKOFF * 2 ** (sends - 1)) * self._seams.random.random()
                if not self._may_resend(error, sends) or pause >= self._deadline.patience:
                    raise
                self._seams.clock.sleep(pause)

    def _may_resend(self, error: BackendError, sends: int) -> bool:
        return error.retryable and not error.stale_token and sends < _SENDS and not self._closing

    def _receive(self, batch: Batch, response: CheckpointResponse) -> None:
        with self._changed:
            marker = self._engine.receive(batch, response, self._seams.clock.now())
            token = self._engine.token
        if marker:
            arn = self._engine.state.durable_execution_arn
            for page in pages(self._backend, arn, token, marker, MAX_PAGE_ITEMS):
                self._engine.state.absorb(page)
        if self._engine.revoked:
            self._revoke(batch.items)

    def _revoke(self, items: Iterable[Queued]) -> None:
        """The token was withdrawn: everybody who waits, or still comes, is suspended."""
        with self._changed:
            dropped = self._engine.drop_all()
        self._complete((*items, *dropped), SuspendExecution())

    def _stop(self, error: BaseException, items: Iterable[Queued]) -> None:
        """A request failed for good: it poisons the invocation (protocol.md 9.7)."""
        with self._changed:
            self._engine.interrupt(error)
            dropped = self._engine.drop_all()
        self._fail((*items, *dropped))

    def _fail(self, items: Iterable[Queued]) -> None:
        self._complete(items, self._why_stopped() or SuspendExecution())

    def _complete(self, items: Iterable[Queued], error: BaseException | None = None) -> None:
        """Complete those who wait for *items*; from now on they count as going on, though they have not noticed yet."""
        waiters = []
        with self._changed:
            for item in items:
                waiter = item.waiter
                if isinstance(waiter, Acknowledged) and not waiter.done:
                    waiter.done, waiter.error = True, error
                    self._blocked -= waiter.blocks
                    waiter.blocks = False
                    waiters.append(waiter)
        for waiter in waiters:
            waiter.tell()
