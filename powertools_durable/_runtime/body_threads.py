"""Runs the ``def`` bodies of an ``async def`` handler on a bounded number of threads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from powertools_durable._replay.outcome import Outcome, Raised, Returned

if TYPE_CHECKING:
    from powertools_durable._runtime.deadline import Deadline
    from powertools_durable._runtime.environment import Signal, Threads

__all__ = ["BodyThreads"]


class _Body:
    """A body, and the future that gets its outcome."""

    __slots__ = ("future", "is_abandoned", "is_running", "run")

    def __init__(self, run: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.run = run
        self.future = future
        self.is_running = False
        self.is_abandoned = False


class BodyThreads:
    """The threads of one invocation, started on demand.

    Parameters
    ----------
    loop : AbstractEventLoop
        Gets the results.
    limit : int
        The maximum number of bodies that run at the same time.
    threads : Threads
        Starts threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int, threads: Threads) -> None:
        self._loop = loop
        self._limit = limit
        self._from = threads
        self._lock = threads.lock()
        self._ready: deque[_Body] = deque()
        self._sleeping: list[Signal] = []  # of threads that wait for a body
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._abandoned = 0
        self._closing = False

    async def run(self, body: Callable[[], Any]) -> Any:
        """Run *body* on a thread and return its result; when cancelled, abandon it there."""
        item = _Body(partial(copy_context().run, body), self._loop.create_future())
        with self._lock:
            self._ready.append(item)
            if self._sleeping:
                self._sleeping.pop().set()
            elif self._idle < len(self._ready) and len(self._threads) - self._abandoned < self._limit:
                name = f"powertools-durable-body-{len(self._threads)}"
                # An empty context: each body runs in its own.
                self._threads.append(self._from.spawn(partial(Context().run, self._work), name))
        try:
            return await item.future
        except asyncio.CancelledError:
            with self._lock:
                if item.is_running:
                    item.is_abandoned = True
                    self._abandoned += 1
                elif item in self._ready:
                    self._ready.remove(item)
            raise

    def close(self, deadline: Deadline, *, wait: bool) -> None:
        """End the threads; an abandoned one ends with its body."""
        with self._lock:
            self._closing = True
            self._ready.clear()
            while self._sleeping:
                self._sleeping.pop().set()
        for thread in self._threads if wait and not self._abandoned else ():
            thread.join(timeout=deadline.patience)

    def _work(self) -> None:
        while (item := self._next()) is not None:
            outcome: Outcome | BaseException
            try:
                outcome = Returned(item.run())
            except Exception as error:  # noqa: BLE001 - raised where the body is awaited
                outcome = Raised(error)
            except BaseException as error:  # noqa: BLE001 - as above
                outcome = error
            with self._lock:
                item.is_running = False
                # Not "was cancelled": a body can end between the cancellation and the moment its task notices.
                if item.is_abandoned:
                    self._abandoned -= 1
            if not item.future.cancelled() and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_complete, item.future, outcome)

    def _next(self) -> _Body | None:
        while True:
            with self._lock:
                if self._closing:
                    return None
                if self._ready:
                    item = self._ready.popleft()
                    item.is_running = True
                    return item
                signal = self._from.signal()
                self._sleeping.append(signal)
                self._idle += 1
            signal.wait()
            with self._lock:
                self._idle -= 1


def _complete(future: asyncio.Future[Any], outcome: Outcome | BaseException) -> None:
    if future.done():
        return
    match outcome:
        case Returned(value):
            future.set_result(value)
        case Raised(StopIteration() as error):  # asyncio refuses it as the exception of a future
            future.set_exception(RuntimeError(f"the body raised {type(error).__name__}"))
        case Raised(error):
            future.set_exception(error)
        case BaseException() as error:
            future.set_exception(error)
