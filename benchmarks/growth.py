"""Measure how costs grow with size: ``make growth``. Ratios between sizes are what counts, not the figures.

Each row is measured at several sizes; between the two largest the cost grows as ``size ** exponent``. Linear is 1.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import pty
import statistics
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from powertools_durable import DurableContext, durable
from powertools_durable.cli.live import LiveTree
from powertools_durable.local import LocalRunner, SqliteStore
from powertools_durable.testing import Simulator, explore, replay

__all__ = ["ROWS", "Row", "cost_of", "exponent", "section"]

KEPT = Path(__file__).parent / "growth.json"
ROUNDS = 3
LINEAR = 1.15  # the largest exponent that a row may have
_FLAT = 0.3  # of what does not depend on the size

Work = Callable[[], object]
Gauge = Callable[[Work], float]


# -- gauges ----------------------------------------------------------------------------------------------------


def cpu(work: Work) -> float:
    """Return the CPU milliseconds that *work* takes."""
    gc.collect()
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def memory(work: Work) -> float:
    """Return the most kilobytes that *work* holds at once."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = work()
        return tracemalloc.get_traced_memory()[1] / 1e3
    finally:
        tracemalloc.stop()
        del kept


def written(work: Work) -> float:
    """Return the kilobytes that *work* writes to files (Linux only)."""
    before = _bytes_written()
    work()
    return (_bytes_written() - before) / 1e3


def _bytes_written() -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith("wchar"))


def times(work: Work) -> float:
    """Return how many times the CPU of the second of two pieces of work the first takes; *work* returns both."""
    first, second = work()  # type: ignore[misc]
    return cpu(first) / cpu(second)


# -- what is measured ------------------------------------------------------------------------------------------


@durable
def steps(count: int, ctx: DurableContext) -> int:
    """Make *count* steps."""
    for number in range(count):
        ctx.step(int, number, name="step")
    return count


@durable
def asks(count: int, ctx: DurableContext) -> None:
    """Open *count* callbacks, and wait for the first."""
    callbacks = [ctx.create_callback(name=f"c{number}", timeout=3600) for number in range(count)]
    callbacks[0].result()


@durable
def a_year(count: int, ctx: DurableContext) -> int:
    """Wait a year, in *count* pieces."""
    for _ in range(count):
        ctx.wait(timedelta(days=365) / count)
    return count


@durable
def waits(count: int, ctx: DurableContext) -> None:
    """Wait in *count* branches at once, each for another time."""
    ctx.map(lambda child, number: child.wait(60 + number), range(count), name="waits")


@durable
def maps(count: int, ctx: DurableContext) -> None:
    """Map over one item, *count* times in a row."""
    for _ in range(count):
        ctx.map(lambda _child, item: item, [1], name="map")


@durable
def echo(event: str, ctx: DurableContext) -> int:
    """Record a value of the event's size."""
    return ctx.step(len, event, name="length")


def simulated(handler: Callable[..., object], count: int, _folder: Path) -> Work:
    """Start *handler* in the simulator."""
    return lambda: Simulator(handler).start(count)


def finished(handler: Callable[..., object], count: int, _folder: Path) -> Work:
    """Run *handler* in the simulator to its end."""
    return lambda: Simulator(handler).start(count).finish()


def on_this_machine(handler: Callable[..., object], count: int, folder: Path) -> Work:
    """Run *handler* with the local runner, which waits out its timers."""
    runner = LocalRunner(handler, folder / "store.sqlite")
    return lambda: runner.run(count, wait=False)


def on_a_terminal(handler: Callable[..., object], count: int, folder: Path) -> Work:
    """Run *handler* as the command line does, once drawn on a terminal and once with nothing that watches it."""

    def drawn() -> None:
        ours, theirs = pty.openpty()
        runner = LocalRunner(handler, folder / "drawn.sqlite")
        reader = threading.Thread(target=_read_all, args=(ours,), daemon=True)
        reader.start()
        with open(theirs, "w", encoding="utf-8") as terminal, LiveTree(runner.store.path, terminal) as tree:  # noqa: PTH123
            runner.sightings = tree.sightings
            one = runner.start(count)
            tree.begin(one)
            runner.resume(one.id, wait=False, watch=tree.watch)
            tree.end(one)
        reader.join()
        os.close(ours)

    def undrawn() -> None:
        LocalRunner(handler, folder / "undrawn.sqlite").run(count, wait=False)

    return lambda: (drawn, undrawn)


def _read_all(terminal: int) -> None:
    with suppress(OSError):  # the other end is closed
        while os.read(terminal, 65_536):
            pass


def replayed(handler: Callable[..., object], count: int, _folder: Path) -> Work:
    """Replay the history of an execution of *handler*."""
    history = {"Events": Simulator(handler).start(count).finish().history()}
    return lambda: replay(handler, history)


def explored(handler: Callable[..., object], count: int, _folder: Path) -> Work:
    """Explore *handler* with 20 of the runs with crashes."""
    return lambda: explore(handler, count, most=20)


def filled(count: int, folder: Path) -> Path:
    """Make a store of *count* executions with 20 KB of input each."""
    path = folder / "store.sqlite"
    runner = LocalRunner(echo, path, skip_time=True)
    runner.store._connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001 - filling it is not measured
    for number in range(count):
        runner.start("x" * 20_000, name=f"order-{number}")
    runner.store.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())  # nor is what the system has not yet written of it
    return path


def finding(_handler: Callable[..., object], count: int, folder: Path) -> Work:
    """Find one execution by its name in a store of *count*."""
    path = filled(count, folder)
    return lambda: LocalRunner(echo, SqliteStore(path)).executions.find(f"order-{count // 2}").status


def starting(_handler: Callable[..., object], count: int, folder: Path) -> Work:
    """Start one execution in a store of *count*."""
    path = filled(count, folder)
    return lambda: LocalRunner(echo, SqliteStore(path)).start("x", name="new").id


@dataclass(frozen=True)
class Row:
    """One thing that is measured at several sizes.

    Attributes
    ----------
    title : str
        What it is; *n* is the size.
    unit : str
        Of the cost.
    sizes : Sequence[int]
        From small to large.
    gauge : Callable
        Measures a call.
    make : Callable
        Prepares the call that is measured, for a handler, a size and an empty folder.
    handler : Callable
        What is run.
    most : float
        The largest exponent it may have.
    rounds : int
        The median of so many counts.
    limit : float
        The largest cost it may have at the largest size.
    """

    title: str
    unit: str
    sizes: Sequence[int]
    gauge: Gauge
    make: Callable[[Callable[..., object], int, Path], Work]
    handler: Callable[..., object] = steps
    most: float = LINEAR
    rounds: int = ROUNDS
    limit: float = math.inf


ROWS: dict[str, Row] = {
    "G1 simulator": Row("simulator: n steps", "ms CPU", (1000, 3000, 9000), cpu, simulated),
    "G1 local": Row("local runner: n steps", "ms CPU", (750, 1500, 3000), cpu, on_this_machine),
    "G2 simulator": Row("simulator: n open callbacks", "ms CPU", (500, 1000, 2000), cpu, simulated, asks),
    "G2 local": Row(
        "local runner: n open callbacks", "KB written", (500, 1000, 2000), written, on_this_machine, asks, rounds=1
    ),
    "G3": Row("simulator: a year in n waits", "KB at most", (250, 500, 1000), memory, finished, a_year, rounds=1),
    "G5": Row("simulator: a map of n waits suspends", "ms CPU", (2500, 5000, 10000), cpu, simulated, waits),
    "G4 find": Row(
        "find one of n executions by name", "KB at most", (200, 400, 800), memory, finding, most=_FLAT, rounds=1
    ),
    "G4 start": Row("start one more beside n executions", "ms CPU", (200, 400, 800), cpu, starting, most=_FLAT),
    "G6": Row("explore n steps, 20 runs with crashes", "ms CPU", (100, 200, 400), cpu, explored, rounds=1),
    "G8": Row(
        "run n steps on a terminal, against a run that nobody watches",
        "times",
        (750, 1500, 3000),
        times,
        on_a_terminal,
        limit=1.5,
    ),
    "G7": Row("replay n maps in a row", "ms CPU", (250, 500, 1000), cpu, replayed, maps),
}


def cost_of(row: Row, size: int) -> float:
    """Return the median cost of *row* at *size*."""
    costs = []
    for _ in range(row.rounds):
        with tempfile.TemporaryDirectory() as folder:
            costs.append(row.gauge(row.make(row.handler, size, Path(folder))))
    return statistics.median(costs)


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return how the cost grows between the two largest sizes; 1 is linear, 0 does not grow."""
    return math.log(max(costs[-1], 1e-9) / max(costs[-2], 1e-9)) / math.log(sizes[-1] / sizes[-2])


def main() -> None:
    """Measure, print, and keep when told to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="rows whose name or title holds this text")
    parser.add_argument("--keep", choices=("before", "after"), help="write it down in growth.json")
    arguments = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name, row in ROWS.items():
        if arguments.only not in f"{name} {row.title}":
            continue
        costs = [cost_of(row, size) for size in row.sizes]
        grows = exponent(row.sizes, costs)
        mark = "met" if grows <= row.most and costs[-1] <= row.limit else "NOT MET"
        told = "  ".join(f"{size:,}: {_shown(cost)}" for size, cost in zip(row.sizes, costs, strict=True))
        print(f"{mark:8} {name:13} {row.title}, {row.unit}: {told}  exponent {grows:.2f}", flush=True)
        if arguments.keep:
            kept.setdefault(name, {})[arguments.keep] = dict(zip(map(str, row.sizes), costs, strict=True))
    if arguments.keep:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")


# -- the page --------------------------------------------------------------------------------------------------


def section() -> str:
    """Write the table of the documentation, from what was kept."""
    kept = json.loads(KEPT.read_text())
    return "\n".join(_line(row, kept[name]) for name, row in ROWS.items() if "after" in kept.get(name, {}))


def _line(row: Row, kept: dict[str, dict[str, float]]) -> str:
    size = row.sizes[-1]
    before, after = (_cells(row, kept.get(when)) for when in ("before", "after"))
    return f"| {row.title} | {size:,} | {row.unit} | {before} | {after} |"


def _cells(row: Row, costs: dict[str, float] | None) -> str:
    if costs is None:
        return "- | -"
    values = [costs[str(size)] for size in row.sizes]
    return f"{_shown(values[-1])} | {exponent(row.sizes, values):.2f}"


def _shown(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 10 else f"{cost:.2g}"


if __name__ == "__main__":
    main()
