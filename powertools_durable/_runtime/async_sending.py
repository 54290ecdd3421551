"""Sends what tasks of an event loop queue, without blocking it."""

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
    """The part of a driver that queues updates and awaits their acknowledgement.

    The sender's thread is woken when the loop is idle (`Checkpointer.release`), so what all tasks have queued by then
    shares a request.
    """

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._loop = driver.loop
        self._checkpointer = driver.checkpointer
        self._arriving: list[asyncio.Future[None]] = []
        self._responses: deque[tuple[list[str], list[asyncio.Future[None]]]] = deque()
        self._is_waking = False
        self._beside = 0  # tasks and operations that run beside others
        self._checkpointer.on_response = self._response_arrived
        self._checkpointer.spaces_next = driver.engine.is_replaying

    def beside(self, change: int) -> None:
        """Count the tasks and operations that run beside others.

        While there are any, the order of results matters, and is that of times of the service: see `IdleWatch`.
        """
        self._beside += change
        self._checkpointer.spaces_responses = self._beside > 0

    def defers(self, frame: Frame, effect: Checkpoint) -> bool:
        """Return whether an update may wait for others.

        Not beside other operations: what is handed over now, and recorded later than what they hand over meanwhile,
        would be handed over later on a replay.
        """
        return effect.deferrable and frame.batch_mode and not self._beside

    def submit(self, frame: Frame, effect: Checkpoint) -> None:
        """Queue an update that nobody waits for.

        Raises
        ------
        CancelledError
            Nothing more may be recorded here.
        """
        deferred = self.defers(frame, effect)
        self._driver.repetition.queued(effect.update)
        try:
            self._checkpointer.submit(
                frame, effect.update, wait=False, deferred=deferred, closes=effect.closes, held=True
            )
        except (CheckpointingStopped, SuspendExecution, BranchOrphaned):
            raise asyncio.CancelledError from None

    async def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Queue an update, and wait until the service has it."""
        self._driver.repetition.queued(effect.update)
        await self.send(frame, effect.update, closes=effect.closes)
        if frame.is_orphaned:  # the end of an enclosing fan-out was in the same request
            raise BranchOrphaned

    async def send(self, frame: Frame, update: Any, *, closes: Frame | None = None) -> None:
        """Queue an update, None to ask what has changed, and wait until the service has it."""
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

    def arrived(self, future: asyncio.Future[None]) -> None:
        """Note that an update was answered; called on the sender's thread."""
        self._arriving.append(future)

    def _response_arrived(self) -> None:
        """Release all that a response answers at once, so that the loop sees it in one turn; on the sender's thread."""
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
        """Ask the service what has changed."""
        self._polling = self._driver.start(self._ask_what_changed(frame))

    async def _ask_what_changed(self, frame: Frame) -> None:
        # The engine keeps the reason, and the watch looks at it.
        with suppress(CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
            await self.send(frame, None)

    async def flush_now(self, frame: Frame) -> None:
        """Send everything that is queued, and wait for the response."""
        if self._driver.engine.pending:
            await self.send(frame, None)


class _Arrival:
    """What the sender sets when a request was answered; see `Signal`."""

    __slots__ = ("_future", "_sending")

    def __init__(self, sending: AsyncSending, future: asyncio.Future[None]) -> None:
        self._sending = sending
        self._future = future

    def set(self) -> None:
        self._sending.arrived(self._future)

    def wait(self, timeout: float | None = None) -> bool:
        raise NotImplementedError
