"""Sends checkpoints: one thread for each invocation, one request at a time.

::

    Lambda's thread, threads of branches                          the sender
    ====================================                          ==========
                                         outbox (engine)
    submit() ------- update ----------> +---------------+
       returns at once                  | START a       |
                                        | SUCCEED a   w |         waits until a request is due
    checkpoint() --- update + waiter -> | SUCCEED b   w | ------> next_batch()
       |                                +---------------+             |
       |                                                              v
       | waits, but not past                               backend.checkpoint(), with retries
       | the deadline                                                 |
       v                                                              v
    returns, or raises <------- waiter.complete(error) <------- engine.receive(), further pages

Queueing: every thread that runs the handler's code queues updates. An update is checked and queued under one lock,
which is the engine's too, so nothing below a context can be queued after the end of that context.

Sending: only the sender makes requests, because each response brings the token of the next request. It is started by
the first update, so an invocation that only replays has none. All updates that are queued while a request is in flight
are sent with the next request, as in the group commit of a database.

Waiting: each thread that called `checkpoint` waits for its own signal, so a response wakes exactly the threads that it
concerns. The sender sleeps until its bell rings, a new signal for each sleep. The threads that run the handler's code
make no requests, so a request that hangs delays none of them past the deadline. In a mock (`Environment.inline`) there
is no sender; the thread that waits makes the request, so a test sees the same requests in every run.

Lingering: how long a queued update waits for others to share its request depends on its kind.

* With a waiter, or with 250 updates queued, the request is sent at once. While branches run, it waits for their updates
  first: until all branches wait too, or no update has been added for 5 ms, but no longer than 20 ms.
* An update without a waiter, such as the START of a step, lingers for a second, or until an update with a waiter is
  sent. So a short step costs one request. Queueing such an update does not wake the sender, which wakes up by itself.
* A deferred update, in batch mode, lingers until another one is sent.

The end: `close` is called after the threads of branches have ended. After a request that failed for good, or a response
without a token, nothing more is sent: all waiting threads raise the reason, and so do later calls. A sender that hangs
in a request at the deadline is abandoned; it is a daemon thread, and a late response changes nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from math import inf
from typing import NoReturn

from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.engine import Batch, Queued, ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment, Signal
from powertools_durable._runtime.requests import pages, send
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError, NonDeterminismError, SuspendExecution, ValidationError

__all__ = ["Acknowledged", "Checkpointer"]

_LINGER = 1.0  # seconds that an update without a waiter stays queued (docs/contributing/protocol.md#batching)
_QUIET = 0.005  # a request no longer waits for branches after so many seconds without a new update ...
_GATHER = 0.02  # ... and in any case after so many seconds
_APART = 0.001  # seconds between responses whose results must have different times, which records keep in milliseconds
_INSTANT = 1e-6  # less than this counts as no time


class Acknowledged:
    """Set when the service has acknowledged an update, or never will; then the waiting thread raises *error*."""

    __slots__ = ("done", "error", "signal")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.done = False
        self.error: BaseException | None = None

    def complete(self, error: BaseException | None) -> None:
        """Wake the waiting thread."""
        self.error = error
        self.done = True
        self.signal.set()


class Checkpointer:
    """Sends the engine's updates in order, one request at a time; see the top of this file."""

    def __init__(
        self, engine: ReplayEngine, backend: DurableBackend, deadline: Deadline, environment: Environment
    ) -> None:
        self._engine = engine
        self._backend = backend
        self._arn = engine.state.durable_execution_arn
        self._deadline = deadline
        self._clock = environment.clock
        self._environment = environment
        self._threads = environment.threads
        self._lock = environment.threads.lock()  # held for every change of the engine
        self._bell: Signal | None = None  # wakes the sleeping sender
        self._sender: threading.Thread | None = None
        self._turns = environment.threads.lock() if environment.inline else None  # held by a thread that sends
        self._process = os.getpid()  # a forked child process has no sender
        self._send_by: float | None = None  # when the oldest lingering update is to be sent
        self._gather_until: float | None = None  # a request is due, and waits until then for updates of branches
        self._gathered = 0  # number of queued updates at the last check
        self._contributors: set[int] = set()  # the threads that run branches
        self._idle = 0  # those of them that add nothing now: they wait for a response, or for their branches
        self._closing = False
        self.on_response: Callable[[], None] | None = None  # called after the waiting threads were woken
        self.spaces_responses = False  # no two responses in one millisecond, so that times order all results
        self.spaces_next = False  # the same for the next response, because the last one arrived while it was True
        # On a replay the last response of the previous invocation was no later than now.
        self._answered_at = environment.clock.monotonic() if engine.is_replaying else -inf

    # -- on the threads that run the handler's code ----------------------------------------------------------

    def submit(
        self,
        frame: Frame,
        update: OperationUpdate | None,
        *,
        wait: bool,
        deferred: bool = False,
        ahead: bool = False,
        closes: Frame | None = None,
        held: bool = False,
        signal: Signal | None = None,
    ) -> Acknowledged | None:
        """Queue an update of *frame*, or None to poll for changed records; with *wait* return an object for `await_`.

        Parameters
        ----------
        deferred : bool
            The update may linger until another one is sent. It is applied to the local view at once.
        ahead : bool
            The update is applied to the local view at once, not only when it is acknowledged.
        closes : Frame | None
            A context that ends with this update: nothing below it may be queued from now on.
        held : bool
            Don't wake the sender, which `release` does later, unless a request is full.
        signal : Signal | None
            Set when the update is acknowledged, in place of one to block on.

        Raises
        ------
        CheckpointingStopped, SuspendExecution
            This invocation can make no more checkpoints.
        BranchOrphaned
            The context around *frame* has ended.
        """
        waiter = Acknowledged(signal or self._threads.signal()) if wait else None
        with self._lock:
            if (stopped := self._why_stopped()) and not (update is None and self._is_mistaken):
                raise stopped
            if frame.is_orphaned:
                raise BranchOrphaned
            if self._sender is None:
                if self._turns is None:
                    self._start_sender()
            elif os.getpid() != self._process:
                self._fail("this is a child forked from the process of the invocation, which alone sends checkpoints")
            if closes is not None:
                closes.finished = True
            now = self._clock.now() if deferred or ahead else None
            self._engine.queue(update, waiter, deferred=deferred, now=now)
            if waiter is not None:
                self._idle += 1
            elif not deferred and self._send_by is None:
                self._send_by = self._clock.monotonic() + _LINGER
            if (waiter is not None and not held) or self._engine.is_full:
                self._wake_sender()
        return waiter

    def release(self) -> None:
        """Wake the sender for updates that were queued with *held*."""
        if self._bell is not None and self._engine.is_pressing:
            with self._lock:
                self._wake_sender()

    def await_(self, waiter: Acknowledged) -> None:
        """Block until *waiter* is set, or the invocation must end (docs/reliability.md#what-is-promised, G7)."""
        if self._turns is not None:
            with self._turns:
                while not waiter.done and (batch := self._engine.next_batch()) is not None:
                    Context().run(self._perform, batch)
        elif not waiter.signal.wait(self._deadline.patience):
            late = BackendError(
                "the service did not answer before this invocation must end; Lambda will invoke again", retryable=True
            )
            self._abandon(reason=late)
            raise CheckpointingStopped(late)
        if waiter.error is not None:
            raise waiter.error

    def checkpoint(self, frame: Frame, update: OperationUpdate | None) -> None:
        """Queue an update of *frame*, or None to poll, and block until the response is merged; see `submit`."""
        if (waiter := self.submit(frame, update, wait=True)) is not None:
            self.await_(waiter)

    def flush(self, frame: Frame) -> None:
        """Send all queued updates and wait for the response; do nothing if none are queued.

        They are also sent after a mistake in the code has ended the invocation: the history then shows where that was.
        """
        with self._lock:
            if not self._engine.pending or (self._why_stopped() and not self._is_mistaken):
                return
        self.checkpoint(frame, None)

    def interrupt(self, error: BaseException, *, unless_over: Frame) -> None:
        """Let *error* decide how this invocation ends, unless the handler, whose frame is *unless_over*, has ended."""
        with self._lock:
            if not unless_over.closed:
                self._engine.interrupt(error)

    @contextmanager
    def contributors(self) -> Iterator[None]:
        """Count the calling thread as one that runs branches: requests wait a little for its updates."""
        thread = threading.get_ident()
        if thread in self._contributors:  # it coordinates a fan-out inside a branch
            yield
            return
        with self._lock:
            self._contributors.add(thread)
        try:
            yield
        finally:
            with self._lock:
                self._contributors.discard(thread)
                self._wake_sender()

    def idle(self, change: int) -> None:
        """Count a thread that coordinates a fan-out as idle (+1), or no longer (-1)."""
        with self._lock:
            self._idle += change
            if change > 0:
                self._wake_sender()

    def close(self, *, wait: bool = True) -> None:
        """End the sender and drop queued updates; with *wait*, wait for a request in flight, up to the deadline."""
        self._abandon(closing=True)
        if wait and self._sender is not None:
            self._sender.join(timeout=self._deadline.patience)

    def _fail(self, fact: str) -> NoReturn:
        error = BackendError(fact, retryable=True)
        self._engine.interrupt(error)
        raise CheckpointingStopped(error) from None

    def _why_stopped(self) -> BaseException | None:
        engine = self._engine
        if engine.interruption is not None:
            return CheckpointingStopped(engine.interruption)
        if engine.revoked or engine.finished or self._closing:
            return SuspendExecution()
        return None

    @property
    def _is_mistaken(self) -> bool:
        """True when a mistake in the code has interrupted the engine: the service still accepts updates."""
        engine = self._engine
        over = engine.revoked or engine.finished or self._closing
        return isinstance(engine.interruption, (ValidationError, NonDeterminismError)) and not over

    def _start_sender(self) -> None:
        try:  # in an empty context: requests belong to no scope and no trace
            self._sender = self._threads.spawn(partial(Context().run, self._run), "powertools-durable-checkpointer")
        except RuntimeError:
            self._fail("no thread could be started to send checkpoints; Lambda will invoke again")
        except BaseException as error:  # Ctrl-C: the thread may have started, and there must not be a second one
            self._engine.interrupt(error)
            raise

    def _wake_sender(self) -> None:
        """Wake the sender if it sleeps and has a reason to send now; with the lock held."""
        if self._bell is None:
            return
        due = self._engine.is_pressing if self._gather_until is None else self._all_idle or self._engine.is_full
        if due or self._closing:
            self._bell.set()
            self._bell = None

    # -- on the sender's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._perform(batch)
        except BaseException as error:  # noqa: BLE001 - no thread may wait for a sender that has ended
            self._abandon(reason=error, closing=True)

    def _next_batch(self) -> Batch | None:
        """Wait until a request is due and return its batch; None at the end."""
        while True:
            with self._lock:
                if self._closing:
                    return None
                left = self._seconds_to_send()
                apart = self._seconds_to_space() if left <= 0 else 0
                if left <= 0 and apart <= 0 and (batch := self._engine.next_batch()) is not None:
                    self._gather_until = None
                    self._send_by = self._clock.monotonic() + _LINGER if self._engine.is_lingering else None
                    return batch
                bell = self._bell = self._threads.signal()
            if not bell.wait(max(left, apart)) and apart > 0:
                self._answered_at = -inf  # the pause is over, also by a clock that stands still, as in tests

    def _seconds_to_send(self) -> float:
        """Return how long the sender may sleep; never forever, because a lingering update does not wake it."""
        if not self._engine.is_pressing:
            left = _LINGER if self._send_by is None else self._send_by - self._clock.monotonic()
            if left > 0:
                return left
        return self._seconds_to_gather()

    def _seconds_to_space(self) -> float:
        """Return how long to wait so that the next response gets a later time than the last one, if that matters."""
        if not (self.spaces_responses or self.spaces_next):
            return 0
        left = self._answered_at + _APART - self._clock.monotonic()
        return left if left > _INSTANT else 0

    def _seconds_to_gather(self) -> float:
        """Return how long to wait for running branches, which share the request while they keep adding updates."""
        if self._all_idle or self._engine.is_full:
            return 0
        now = self._clock.monotonic()
        if self._gather_until is None:
            self._gather_until = now + _GATHER
        elif self._engine.queued == self._gathered or now >= self._gather_until:
            return 0
        self._gathered = self._engine.queued
        return _QUIET

    @property
    def _all_idle(self) -> bool:
        """True when no branch can add an update before a response arrives."""
        return self._idle >= len(self._contributors)

    def _perform(self, batch: Batch) -> None:
        """Make a request, merge its response, and wake the threads that wait for it."""
        try:
            response = send(
                batch,
                self._arn,
                self._backend,
                deadline=self._deadline,
                environment=self._environment,
                may_retry=lambda: not self._closing,
            )
            self._answered_at = self._clock.monotonic()
            self.spaces_next = self.spaces_responses
            with self._lock:
                marker = self._engine.receive(batch, response, self._clock.now())
            for page in pages(self._backend, self._arn, self._engine.token, marker, MAX_PAGE_ITEMS):
                with self._lock:
                    self._engine.state.absorb(page)
            if self._engine.revoked:
                self._abandon(batch.items)
            else:
                self._complete(batch.items, None)
        except BaseException as error:  # nothing is sent after it (docs/contributing/protocol.md#checkpoint-guarantees)
            self._abandon(batch.items, error)
            if not isinstance(error, Exception):
                raise

    # -- on any thread -----------------------------------------------------------------------------------------

    def _abandon(
        self, items: Iterable[Queued] = (), reason: BaseException | None = None, *, closing: bool = False
    ) -> None:
        """Send nothing more, for *reason* or because the token was withdrawn; waiting threads raise the reason."""
        with self._lock:
            if reason is not None:
                self._engine.interrupt(reason)
            self._closing |= closing
            dropped = self._engine.drop_all()
            self._send_by = self._gather_until = None
            error = self._why_stopped()
            self._wake_sender()
        self._complete([*items, *dropped], error)

    def _complete(self, items: Iterable[Queued], error: BaseException | None) -> None:
        """Wake the threads that wait for *items*; they count as running from now on."""
        with self._lock:
            waiters = [item.waiter for item in items if isinstance(item.waiter, Acknowledged) and not item.waiter.done]
            self._idle -= len(waiters)
        for waiter in waiters:
            waiter.complete(error)
        if self.on_response is not None:
            self.on_response()
