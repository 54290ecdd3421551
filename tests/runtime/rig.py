"""A simulated execution whose requests can be looked at, and whose process can be killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from powertools_durable._hosting import invoker_of
from powertools_durable._protocol.operation import OperationType
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host, Killed
from powertools_durable._service.storage import MemoryStore
from powertools_durable.parser.stored import input_text
from powertools_durable.testing.simulation.simulated_run import SimulatedRun
from powertools_durable.testing.simulation.simulator import SeededIds
from tests.kit import ARN
from tests.seed.rig import Noting

BRANCH = "powertools-durable-branch"


class Served(SimulatedRun):
    """One execution; ``kills`` says before or after which of its checkpoint calls, counted from 1, it dies."""

    def __init__(self, handler: Callable[..., Any], event: object = None, kills: Iterable[tuple[int, str]] = ()):
        self.clock = VirtualClock()
        self.kills = set(kills)
        self.calls = 0
        host = Host(MemoryStore(), self.clock, SeededIds(Random(0)), on_call=self._called)
        self.backend = Noting(host)
        invoker = invoker_of(handler, backend=self.backend, environment=Environment(self.clock, Random(0)))
        host.start(ARN, "order-42", input_text(event))
        super().__init__(host, self.clock, ARN, invoker, {})

    def _called(self, call: str, when: str) -> None:
        self.calls += when == "before"
        if (self.calls, when) in self.kills:
            self.kills.remove((self.calls, when))
            raise Killed

    @property
    def told(self) -> list[str]:
        """Every update, in the order in which the service heard it."""
        return [line for request in self.backend.told for line in request]


def starts(run: Served, kind: OperationType = OperationType.CONTEXT) -> list[str | None]:
    """The names of what was started, in order."""
    return [u.name for u in run.backend.updates if u.type is kind and u.action.value == "START"]


class Gauge:
    """Counts how many are inside at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.most = 0
        self.threads: set[str] = set()

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.current_thread().name)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1
