"""Ours and a floor on the twin of the service, in this process: what there is to measure without the harness."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b
from random import Random
from typing import Any

from powertools_durable import DurableContext, durable
from powertools_durable._hosting import invoker_of
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.parser.stored import input_text
from powertools_durable.testing import Simulator
from powertools_durable.testing.simulation.simulator import SeededIds

ROUNDS = 3
ARN = "arn:aws:lambda:us-east-1:123456789012:function:bench:1/durable-execution/bench/0a1b"


@durable
def steps(count: int, ctx: DurableContext) -> int:
    """Make *count* steps, wait, and replay them all."""
    for number in range(count):
        ctx.step(int, number, name="step")
    ctx.wait(timedelta(days=1))
    return count


@durable
def batched(count: int, ctx: DurableContext) -> int:
    """Make *count* steps in batch mode."""
    with ctx.batch():
        for number in range(count):
            ctx.step(int, number, name="step")
    return count


@durable
def fans_out(count: int, ctx: DurableContext) -> int:
    """Run one step for each of *count* items."""

    def item(child: DurableContext, number: int) -> int:
        return child.step(int, number, name="step")

    return ctx.map(item, range(count)).success_count


@durable
def waits(count: int, ctx: DurableContext) -> int:
    """Suspend *count* times."""
    for _ in range(count):
        ctx.wait(1)
    return count


@durable
def a_year(pauses: int, ctx: DurableContext) -> int:
    """Wait a year, in *pauses* pieces of the same length."""
    for _ in range(pauses):
        ctx.wait(timedelta(days=365) / pauses)
    return pauses


class Measured:
    """Wall and CPU time of a call, and how often the service was called meanwhile."""

    def __init__(self, call: Callable[[], Any]) -> None:
        calls = 0
        original = Host.checkpoint

        def counting(host: Host, *arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return original(host, *arguments)

        Host.checkpoint = counting  # type: ignore[method-assign]
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            call()
        finally:
            Host.checkpoint = original  # type: ignore[method-assign]
        self.wall = time.perf_counter() - wall
        self.cpu = time.process_time() - cpu
        self.calls = calls


def on_real_threads(handler: Callable[..., Any], event: object) -> Callable[[], Any]:
    """Prepare the first invocation; in a `Simulator` branches take turns, which Lambda does not make them do."""
    clock = VirtualClock()
    host = Host(MemoryStore(), clock, SeededIds(Random(0)))
    host.start(ARN, "bench", input_text(event))
    invoker = invoker_of(handler, backend=ServiceBackend(host), environment=Environment(clock, Random(0)))
    return lambda: host.invoke(ARN, invoker)


def replaying(count: int) -> Callable[[], Any]:
    """Prepare an execution of *count* steps; what is measured is the replay of all of them."""
    run = Simulator(steps).start(count)
    return run.finish


def importing() -> None:
    """Import the package in a new process."""
    subprocess.run([sys.executable, "-c", "import powertools_durable"], check=True)


# -- the floor: json, a hash and a look-up for each operation -------------------------------------------------


def floor_of_new(count: int) -> dict[str, str]:
    """Make *count* records."""
    return {_id(number): json.dumps(number) for number in range(1, count + 1)}


def floor_of_replay(count: int) -> Callable[[], Any]:
    """Prepare *count* records; what is measured is to read all of them."""
    records = floor_of_new(count)
    return lambda: [json.loads(records[_id(number)]) for number in range(1, count + 1)]


def _id(number: int) -> str:
    return blake2b(str(number).encode()).hexdigest()[:64]


FLOORS: dict[str, Callable[[int], Callable[[], Any]]] = {
    "replay": floor_of_replay,
    "new": lambda count: lambda: floor_of_new(count),
}

SCENARIOS: dict[str, tuple[int, Callable[[], Callable[[], Any]]]] = {
    "replay of 1,000 steps": (1000, lambda: replaying(1000)),
    "replay of 5,000 steps": (5000, lambda: replaying(5000)),
    "1,000 new steps": (1000, lambda: lambda: Simulator(steps).start(1000)),
    "1,000 new steps in a batch": (1000, lambda: lambda: Simulator(batched).start(1000)),
    "map over 1,000 items": (1000, lambda: on_real_threads(fans_out, 1000)),
    "map over 3,000 items": (3000, lambda: on_real_threads(fans_out, 3000)),
    "100 suspensions": (100, lambda: lambda: Simulator(waits).start(100).finish()),
    "a year in 12 waits": (12, lambda: lambda: Simulator(a_year).start(12).finish()),
    "a year in 52 waits": (52, lambda: lambda: Simulator(a_year).start(52).finish()),
    "a year in 365 waits": (365, lambda: lambda: Simulator(a_year).start(365).finish()),
    "import, a new process": (1, lambda: importing),
}


def main() -> None:
    """Print a table."""
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {ROUNDS}; the service takes no time\n")
    print(f"{'scenario':30} {'wall ms':>9} {'CPU us each':>12} {'API calls':>10}")
    for name, (count, prepare) in SCENARIOS.items():
        _print(name, count, [Measured(prepare()) for _ in range(ROUNDS)])
    for name, prepare_floor in FLOORS.items():
        _print(f"floor, {name}, 1,000", 1000, [Measured(prepare_floor(1000)) for _ in range(ROUNDS)])


def _print(name: str, count: int, rounds: list[Measured]) -> None:
    wall = statistics.median(one.wall for one in rounds) * 1e3
    cpu = statistics.median(one.cpu for one in rounds) * 1e6 / count
    calls = statistics.median(one.calls for one in rounds)
    print(f"{name:30} {wall:9.1f} {cpu:12.1f} {calls:10.0f}")
