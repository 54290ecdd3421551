"""The thread of the handler waits in short stretches: Python notices a signal just before a wait only at its end."""

from __future__ import annotations

from math import inf

import pytest

from powertools_durable._runtime.environment import LONGEST_WAIT, Environment, SystemThreads
from powertools_durable._runtime.loop import DurableLoop


class Lock:
    """Notes how long it is waited for, and is taken at the last wait."""

    def __init__(self, waits):
        self.waits = waits
        self.timeouts = []

    def acquire(self, timeout=-1):
        self.timeouts.append(timeout)
        return len(self.timeouts) == self.waits


@pytest.mark.parametrize(
    ("timeout", "waits", "timeouts"),
    [
        (0, 9, [0]),
        (-3, 9, [0]),
        (0.2, 9, [0.2]),
        (1.2, 9, [0.5, 0.5, pytest.approx(0.2)]),
        (1.2, 2, [0.5, 0.5]),
        (inf, 4, [0.5] * 4),
        (None, 1, [-1]),
    ],
)
def test_a_signal_is_waited_for_in_stretches(timeout, waits, timeouts):
    signal = SystemThreads().signal()
    lock = signal._taken = Lock(waits)  # noqa: SLF001 - what it waits for
    assert signal.wait(timeout) is (len(timeouts) == waits)
    assert lock.timeouts == timeouts


class Patient:
    """Has nothing to do for as long as it is asked."""

    def idle(self, timeout):
        return timeout


@pytest.mark.parametrize(("timeout", "selected"), [(None, LONGEST_WAIT), (900, LONGEST_WAIT), (0.1, 0.1)])
def test_so_is_the_selector(timeout, selected):
    loop = DurableLoop()
    try:
        loop.attach(Patient(), Environment())
        timeouts = []
        assert loop.select(lambda seconds: timeouts.append(seconds) or [], timeout) == []
        assert timeouts == [selected]
    finally:
        loop.detach()
        loop.close()
