"""Event loops for simulated processes that run ``async def`` handlers; asyncio is loaded when the first is created."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from powertools_durable.testing.simulation.random_schedule import RandomSchedule

if TYPE_CHECKING:
    from powertools_durable._runtime.loop import DurableLoop

__all__ = ["SandboxLoops", "without_running_loop"]

T = TypeVar("T")


class SandboxLoops:
    """The event loops of a function's processes: reused by later invocations, closed when the process ends.

    Parameters
    ----------
    schedule : RandomSchedule
        Chooses which body ends next.
    around : Callable | None
        Runs the callbacks of the loops.
    """

    def __init__(self, schedule: RandomSchedule, around: Callable[..., None] | None = None) -> None:
        self._schedule = schedule
        self._around = around
        self._loops: list[DurableLoop] = []  # more than one if invocations overlap

    def take(self) -> DurableLoop:
        """Return a loop that is not running."""
        from powertools_durable.testing.simulation.body_ends import simulated_loop

        for loop in self._loops:
            if not (loop.is_running() or loop.is_closed()):
                return loop
        self._loops.append(simulated_loop(self._schedule, self._around))
        return self._loops[-1]

    def discard(self) -> None:
        """Close the loops that are not running, because their process has ended."""
        for loop in self._loops:
            if not loop.is_running():
                loop.close()
        self._loops = [loop for loop in self._loops if not loop.is_closed()]


def without_running_loop(call: Callable[[], T]) -> T:
    """Call *call* and return its result; if an event loop is running, as in an async test, do so on another thread."""
    if "asyncio" not in sys.modules or sys.modules["asyncio"]._get_running_loop() is None:  # noqa: SLF001
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised on the thread that waits
            errors.append(error)

    thread = threading.Thread(target=partial(copy_context().run, run), name="powertools-durable-host", daemon=True)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return results[0]
