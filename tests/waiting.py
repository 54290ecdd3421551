"""Waiting for what another thread does: as long as a loaded machine may need, and no longer than it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from powertools_durable.testing.simulation.simulated_run import SimulatedRun

PATIENCE = 30.0  # seconds for a thread to end that can
_FOREVER = 60.0  # seconds after which what does not come never will


def await_end(threads: Iterable[threading.Thread]) -> list[str]:
    """Wait for *threads*, `PATIENCE` in all; return the names of those that still run."""
    until = time.monotonic() + PATIENCE
    left = list(threads)
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread.name for thread in left if thread.is_alive()]


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for what another thread does; False if it has not after `PATIENCE`."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def pass_time(run: SimulatedRun, until: threading.Event, seconds: float = 1) -> bool:
    """Let the virtual time of *run* pass in steps of *seconds*, while another of its threads works, *until* it says so.

    Ten minutes pass at most: an invocation lasts for fifteen, and a thread that gets no processor time is not late.
    """
    for _ in range(int(600 / seconds)):
        if until.wait(0.05):
            return True
        run.clock.move_to(run.now + timedelta(seconds=seconds))
    return until.wait(_FOREVER)
