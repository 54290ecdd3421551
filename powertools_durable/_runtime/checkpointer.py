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
       | waits, until the deadline                         backend.checkpoint(), retried if that may help
       | at the latest                                                |
       v                                                              v
    returns, or raises <------- waiter.complete(error) <------- engine.receive(), further pages

Who queues: every thread that runs the handler's code. The lock is the engine's too: an update is checked and queued
in one move, so nothing below a context can be queued after the end of that context.

Who sends: the sender alone, because each answer brings the token of the next request. The first update starts it, so
an invocation that only replays has none. What is queued while a request is in flight is the next request, as in the
group commit of a database.

Who waits: each thread that called `checkpoint`, for a signal of its own, so a request is handed over once and its
answer handed back once. The sender sleeps until its bell rings: a signal too, and a new one for each sleep. No thread
that runs the handler's code makes a call itself, so a call that hangs holds up nobody past the deadline. In a mock
(`Environment.inline`) there is no sender, and the thread that waits sends: a test sees the same requests in every run.

What lingers:

* with a waiter, or 250 updates queued: nothing, the request goes out at once. While branches run, it first waits for
  what they may add: until all of them wait too, or 5 ms pass without a new update, 20 ms at most;
* an update without a waiter, such as the START of a step: a second, or until an update with a waiter goes out. So a
  short step costs one request. Queueing it does not wake the sender, which looks at the clock by itself;
* a deferred update, of batch mode: until another one goes out.

What ends it: `close`, after the threads of branches have ended. After a request that failed for good, or an answer
without a token, nothing is sent: all who wait are released with the reason, and later calls raise it. A sender that
hangs in a call at the deadline is left behind; it is a daemon, and what it receives then changes nothing.
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
_QUIET = 0.005  # seconds without a new update after which a request no longer waits for branches ...
_GATHER = 0.02  # ... and seconds after which it does not in any case
_APART = 0.001  # seconds between two requests whose results must not have the same time: records keep milliseconds
_INSTANT = 1e-6  # fewer seconds are none


class Acknowledged:
    """Completed when the service has the update, or never will have it.

    Parameters
    ----------
    signal : Signal
        Set on completion, once.

    Attributes
    ----------
    done : bool
        It is complete.
    error : BaseException | None
        The exception to raise where it is waited for.
    """

    __slots__ = ("done", "error", "signal")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.done = False
        self.error: BaseException | None = None

    def complete(self, error: BaseException | None) -> None:
        """Release the thread that waits; with *error* it raises that."""
        self.error = error
        self.done = True
        self.signal.set()


class Checkpointer:
    """Sends the engine's updates in order, one request at a time; see the top of this file.

    Its lock is the engine's: every change of the engine happens under it.
    """

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
        self._lock = environment.threads.lock()
        self._bell: Signal | None = None  # wakes the sender, once
        self._sender: threading.Thread | None = None
        self._turns = environment.threads.lock() if environment.inline else None  # taken by a thread that sends itself
        self._process = os.getpid()  # a child forked from it has no sender
        self._send_by: float | None = None  # when what lingers has done so for long enough
        self._gather_until: float | None = None  # a request is due, and waits for what branches may add
        self._gathered = 0  # how much was queued when it was last looked at
        self._contributors: set[int] = set()  # the threads that run branches
        self._idle = 0  # threads that add nothing for now: they wait for an answer, or for their branches
        self._closing = False
        self.on_response: Callable[[], None] | None = None  # called when all who wait for a response are released
        self.spaces_responses = False  # no two responses in one millisecond, so that times order all results
        self.spaces_next = False  # so for the next response: things were open side by side when the last one arrived
        # No earlier than the last response of the invocation before, if there was one.
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
        """Queue an update of *frame*, None to ask what has changed; with *wait* return what `await_` waits for.

        Parameters
        ----------
        deferred : bool
            It may linger until another update goes out. It changes the local view at once.
        ahead : bool
            It changes the local view at once.
        closes : Frame | None
            A context that ends with this update: nothing below it may be queued from now on.
        held : bool
            Don't wake the sender before `release` does, unless a request is full.
        signal : Signal | None
            Set when the update is acknowledged, in place of one to block on.

        Raises
        ------
        CheckpointingStopped, SuspendExecution
            This invocation can't checkpoint any more.
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
        """Wake the sender for what was queued while `held`."""
        if self._bell is not None and self._engine.is_pressing:
            with self._lock:
                self._wake_sender()

    def await_(self, waiter: Acknowledged) -> None:
        """Block until *waiter* is complete, or the invocation must end (docs/reliability.md#what-is-promised, G7)."""
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
        waiter = self.submit(frame, update, wait=wait, deferred=deferred, closes=closes)
        if waiter is not None:
            self.await_(waiter)

    def flush(self, frame: Frame) -> None:
        """Send everything queued and wait for the answer; without anything queued, do nothing.

        Also when a mistake in the code has ended the invocation: what was queued before it shows where that was.
        """
        with self._lock:
            if not self._engine.pending or (self._why_stopped() and not self._is_mistaken):
                return
        self.checkpoint(frame, None)

    def interrupt(self, error: BaseException, *, unless_over: Frame) -> None:
        """Let *error* decide how this invocation ends, if the handler of the root *unless_over* still runs."""
        with self._lock:
            if not unless_over.closed:
                self._engine.interrupt(error)

    @contextmanager
    def contributors(self) -> Iterator[None]:
        """Count the calling thread as one that runs branches: a request waits a little for what it may add."""
        thread = threading.get_ident()
        if thread in self._contributors:  # it coordinates a fan-out inside of a branch
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
        """End the sender; what is still queued is dropped.

        Parameters
        ----------
        wait : bool
            Wait for a call that is in flight, but not past the deadline.
        """
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
        """True when it is the code that has interrupted the engine: the service still takes what it is sent."""
        engine = self._engine
        over = engine.revoked or engine.finished or self._closing
        return isinstance(engine.interruption, (ValidationError, NonDeterminismError)) and not over

    def _start_sender(self) -> None:
        try:  # in a context of its own: what is sent has no scope, and no trace to add to
            self._sender = self._threads.spawn(partial(Context().run, self._run), "powertools-durable-checkpointer")
        except RuntimeError:
            self._fail("no thread could be started to send checkpoints; Lambda will invoke again")
        except BaseException as error:  # ctrl-C: it may have started, and there must not be a second one
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
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a sender that is dead
            self._abandon(reason=error, closing=True)

    def _next_batch(self) -> Batch | None:
        """Wait until a request is due and return what it carries; None at the end."""
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
                self._answered_at = -inf  # waited out, also by a clock that stands still, as in tests

    def _seconds_to_send(self) -> float:
        """Return how long the sender may sleep; always bounded, because a lingering update does not wake it."""
        if not self._engine.is_pressing:
            left = _LINGER if self._send_by is None else self._send_by - self._clock.monotonic()
            if left > 0:
                return left
        return self._seconds_to_gather()

    def _seconds_to_space(self) -> float:
        """Keep the times of this request's results apart from those of the one before, if their order matters."""
        if not (self.spaces_responses or self.spaces_next):
            return 0
        left = self._answered_at + _APART - self._clock.monotonic()
        return left if left > _INSTANT else 0

    def _seconds_to_gather(self) -> float:
        """Let branches that run now share the request, for as long as they keep adding to it."""
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
        """True when no branch can add anything before an answer comes."""
        return self._idle >= len(self._contributors)

    def _perform(self, batch: Batch) -> None:
        """Make a request, merge its answer, and release those who wait for it."""
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
        except BaseException as error:  # it ends the sending (docs/contributing/protocol.md#checkpoint-guarantees)
            self._abandon(batch.items, error)
            if not isinstance(error, Exception):
                raise

    # -- on any thread -----------------------------------------------------------------------------------------

    def _abandon(
        self, items: Iterable[Queued] = (), reason: BaseException | None = None, *, closing: bool = False
    ) -> None:
        """Send nothing more, for *reason* or because this invocation may not: release all who wait with that."""
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
        """Complete those who wait for *items*; from now on they count as going on, though they have not noticed yet."""
        with self._lock:
            waiters = [item.waiter for item in items if isinstance(item.waiter, Acknowledged) and not item.waiter.done]
            self._idle -= len(waiters)
        for waiter in waiters:
            waiter.complete(error)
        if self.on_response is not None:
            self.on_response()
