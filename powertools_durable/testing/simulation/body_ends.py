"""Decides by a seed in which order steps end that are done at one moment on a simulated event loop.

The order in which a loop runs its callbacks is asyncio's own, which programs may rely on. What no program may rely on
is which of several bodies ends first. So a body that is done is *held* until nothing else can run, and then the seed
chooses one of those held. What ends before the loop is idle shares a request; the results of one request are handed
over in the order of their places, whatever the seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from powertools_durable._runtime.loop import DurableLoop
from powertools_durable._service.host import Killed
from powertools_durable.testing.simulation.random_schedule import RandomSchedule

__all__ = ["BodyEnds", "held", "simulated_loop"]


class _Held:
    """A body that is done, as the schedule sees it."""

    __slots__ = ("let_go", "speed")

    def __init__(self, let_go: asyncio.Future[None]) -> None:
        self.let_go = let_go
        self.speed = 0.0


class BodyEnds:
    """Holds the bodies of one loop that are done.

    Parameters
    ----------
    schedule : RandomSchedule
        Chooses which body ends next.
    """

    def __init__(self, schedule: RandomSchedule) -> None:
        self._schedule = schedule
        self._held: list[_Held] = []

    async def hold(self) -> None:
        """Return when nothing else can run and the seed has chosen the caller."""
        held = _Held(asyncio.get_running_loop().create_future())
        self._held.append(held)
        try:
            await held.let_go
        finally:
            if held in self._held:
                self._held.remove(held)

    def release(self) -> bool:
        """Let one body end; return False if none is held."""
        if not self._held:
            return False
        at = self._schedule.pick(self._held) if len(self._held) > 1 else 0
        self._held.pop(at).let_go.set_result(None)
        return True


def simulated_loop(schedule: RandomSchedule, around: Callable[..., None] | None) -> DurableLoop:
    """Make the loop of a simulated process; *around* takes each callback and its arguments, and calls it."""
    loop = DurableLoop(BodyEnds(schedule), around)
    loop.set_exception_handler(_log_unless_killed)
    return loop


def _log_unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


async def held() -> None:
    """Wait until the seed lets the running body end; on a loop that is not simulated go on."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, DurableLoop) and isinstance(loop.reserve, BodyEnds):
        await loop.reserve.hold()
