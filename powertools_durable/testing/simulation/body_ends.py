"""Decides by a seed in which order the bodies of steps end on a simulated event loop.

Programs may rely on the order in which asyncio runs callbacks, but not on which of several bodies ends first. So a body
that is done is *held* until nothing else can run; then the seed chooses one of the held bodies, which ends. Bodies that
end before the loop is idle share a request, and the results of one request are handed over in the order of their
places, whatever the seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from powertools_durable._runtime.loop import DurableLoop
from powertools_durable._service.host import Killed
from powertools_durable.testing.simulation.random_schedule import RandomSchedule

__all__ = ["BodyEnds", "simulated_loop", "wait_until_chosen"]


class _HeldBody:
    """A body that is done and waits for its end."""

    __slots__ = ("released", "speed")

    def __init__(self, released: asyncio.Future[None]) -> None:
        self.released = released
        self.speed = 0.0


class BodyEnds:
    """Holds the bodies of one loop that are done, until the seed chooses them.

    Parameters
    ----------
    schedule : RandomSchedule
        Chooses which body ends next.
    """

    def __init__(self, schedule: RandomSchedule) -> None:
        self._schedule = schedule
        self._held: list[_HeldBody] = []

    async def hold(self) -> None:
        """Wait until nothing else can run and the seed has chosen the calling body."""
        held = _HeldBody(asyncio.get_running_loop().create_future())
        self._held.append(held)
        try:
            await held.released
        finally:
            if held in self._held:
                self._held.remove(held)

    def release(self) -> bool:
        """Choose a held body, which ends then; return False if none is held."""
        if not self._held:
            return False
        at = self._schedule.pick(self._held) if len(self._held) > 1 else 0
        self._held.pop(at).released.set_result(None)
        return True


def simulated_loop(schedule: RandomSchedule, around: Callable[..., None] | None) -> DurableLoop:
    """Create the loop of a simulated process; *around* takes each callback and its arguments, and calls it."""
    loop = DurableLoop(BodyEnds(schedule), around)
    loop.set_exception_handler(_log_unless_killed)
    return loop


def _log_unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


async def wait_until_chosen() -> None:
    """Wait until the seed has chosen the running body to end; on other loops return at once."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, DurableLoop) and isinstance(loop.reserve, BodyEnds):
        await loop.reserve.hold()
