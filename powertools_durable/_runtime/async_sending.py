"""Queues the updates of an event loop's tasks and awaits their acknowledgement, without blocking the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from powertools_durable._replay.effects import Checkpoint
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import SuspendExecution

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver

__all__ = ["AsyncSending"]


class AsyncSending:
    """The part of the async driver that queues updates and awaits their acknowledgement.

    The sender's thread is woken when the loop is idle (`Checkpointer.release`). So all updates that tasks have queued
    by then share a request.
    """

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._loop = driver.loop
        self._checkpointer = driver.checkpointer
        self._arriving: list[asyncio.Future[None]] = []
        self._responses: deque[tuple[list[str], list[asyncio.Future[None]]]] = deque()
        self._is_waking = False
        self._concurrent = 0  # tasks and operations that run concurrently with others
        self._checkpointer.on_response = self._response_arrived
        self._checkpointer.spaces_next = driver.engine.is_replaying

    def count_concurrent(self, change: int) -> None:
        """Change the number of tasks and operations that run concurrently with others.

        While there are any, results are ordered by the times in their records, so those times must differ: see
        `IdleWatch`.
        """
        self._concurrent += change
        self._checkpointer.spaces_responses = self._concurrent > 0

    def defers(self, frame: Frame, effect: Checkpoint) -> bool:
        """Return whether batch mode may hold the update back.

        Not while other operations run: this result would be handed over now, but recorded later than theirs, so a
        replay would hand it over later.
        """
        return effect.deferrable and frame.batch_mode and not self._concurrent

    def submit(self, frame: Frame, effect: Checkpoint) -> None:
        """Queue an update that is not awaited.

        Raises
        ------
        CancelledError
            Nothing more may be recorded in this context.
        """
        deferred = self.defers(frame, effect)
        self._driver.replay_progress.note_queued(effect.update)
        try:
            self._checkpointer.submit(
                frame, effect.update, wait=False, deferred=deferred, closes=effect.closes, held=True
            )
        except (CheckpointingStopped, SuspendExecution, BranchOrphaned):
            raise asyncio.CancelledError from None

    async def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Queue an update, and wait until the service has acknowledged it."""
        self._driver.replay_progress.note_queued(effect.update)
        await self.send(frame, effect.update, closes=effect.closes)
        if frame.is_orphaned:  # the end of an enclosing fan-out was in the same request
            raise BranchOrphaned

    async def send(self, frame: Frame, update: Any, *, closes: Frame | None = None) -> None:
        """Queue an update and wait for its acknowledgement; without one, poll the service for changed records."""
        future: asyncio.Future[None] = self._loop.create_future()
        waiter = self._checkpointer.submit(
            frame, update, wait=True, closes=closes, held=True, signal=_Arrival(self, future)
        )
        self._driver.watch.working += 1
        try:
            await future
        finally:
            self._driver.watch.working -= 1
        if waiter is not None and waiter.error is not None:
            raise waiter.error

    def note_arrival(self, future: asyncio.Future[None]) -> None:
        """Note that an update was acknowledged; called on the sender's thread."""
        self._arriving.append(future)

    def _response_arrived(self) -> None:
        """Pass a whole response to the loop in one callback; called on the sender's thread."""
        changed, arrived = self._driver.watch.take_changed(), self._arriving
        if (changed or arrived) and not self._loop.is_closed():
            self._arriving = []
            self._responses.append((changed, arrived))
            if not self._is_waking:
                self._is_waking = True
                self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._is_waking = False
        while self._responses:
            changed, arrived = self._responses.popleft()
            self._driver.watch.wake(changed)
            for future in arrived:
                if not future.done():
                    future.set_result(None)

    def poll(self, frame: Frame) -> None:
        """Poll the service for changed records."""
        self._polling = self._driver.start(self._ask_what_changed(frame))

    async def _ask_what_changed(self, frame: Frame) -> None:
        # The engine keeps the reason, and the watch reads it.
        with suppress(CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
            await self.send(frame, None)

    async def flush_now(self, frame: Frame) -> None:
        """Send everything that is queued, and wait for the response."""
        if self._driver.engine.pending:
            await self.send(frame, None)


class _Arrival:
    """The `Signal` that the sender sets when an update was acknowledged."""

    __slots__ = ("_future", "_sending")

    def __init__(self, sending: AsyncSending, future: asyncio.Future[None]) -> None:
        self._sending = sending
        self._future = future

    def set(self) -> None:
        self._sending.note_arrival(self._future)

    def wait(self, timeout: float | None = None) -> bool:
        raise NotImplementedError
