"""Measure the commands beside many executions: ``make large-store``, by default 10,000 of them and 2 GB.

Each command runs in a process of its own, in turns on an almost empty store and on the large one. Then `prune` removes
half of the executions, while another process writes again and again and notes how long it had to wait.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from powertools_durable import DurableContext, durable
from powertools_durable.local import LocalRunner

ROUNDS = 5
MOST = 1.2  # that a command may take longer beside many executions
_ROOT = Path(__file__).parents[1]
_COMMAND = [sys.executable, "-m", "powertools_durable"]
_WRITES = """
import sqlite3, sys, time
longest = 0.0
connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
print("begins", flush=True)
while time.time() < float(sys.argv[2]):
    start = time.perf_counter()
    connection.execute("UPDATE executions SET targets = targets WHERE number = 1")
    longest = max(longest, time.perf_counter() - start)
    print(longest, flush=True)
    time.sleep(0.05)
"""


@durable
def echo(event: str, ctx: DurableContext) -> int:
    """Record an input and a step."""
    return ctx.step(len, event, name="length")


@durable
def asks(_event: object, ctx: DurableContext) -> object:
    """Wait for a callback."""
    return ctx.create_callback(name="approval").result()


def fill(path: Path, count: int, size: int) -> None:
    """Make a store of *count* executions that have ended, of *size* bytes each, and of one that waits."""
    runner = LocalRunner(echo, path, skip_time=True)
    runner.store._connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001 - filling it is not measured
    for number in range(count):
        runner.run("x" * (size // 2), name=f"{'order' if number % 2 else 'parcel'}-{number}")
    runner.store.close()
    LocalRunner(asks, path).run(name="waits", wait=False)


def run(path: Path, *arguments: str) -> tuple[float, float]:
    """Run a command on a store; return its seconds by the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    line = [*_COMMAND, *arguments, "--store", str(path)]
    done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(number: int) -> dict[str, list[str]]:
    """Return the commands that are measured, by name; the name of a run is unique."""
    target = "benchmarks.large_store:echo"
    return {
        "run": ["run", target, "--event", '"x"', "--name", f"new-{number}"],
        "list": ["list"],
        "show": ["show", "order-1"],
        "resume": ["resume", "waits", "--target", "benchmarks.large_store:asks", "--no-wait"],
    }


def measure(small: Path, large: Path) -> None:
    """Print what each command takes on both stores."""
    figures: dict[str, list[list[tuple[float, float]]]] = {name: [[], []] for name in commands(0)}
    for number in range(ROUNDS):
        for name, arguments in commands(number).items():
            for kept, path in zip(figures[name], (small, large), strict=True):
                kept.append(run(path, *arguments))
    for name, both in figures.items():
        (few, few_cpu), (many, many_cpu) = (
            [statistics.median(part) for part in zip(*one, strict=True)] for one in both
        )
        mark = "met" if many_cpu <= MOST * few_cpu else "NOT MET"
        print(
            f"{mark:8} {name:7} {many:.2f} s wall, {many_cpu:.2f} s CPU; almost empty: {few:.2f} s, {few_cpu:.2f} s; "
            f"x{many_cpu / few_cpu:.2f} CPU",
            flush=True,
        )


def prune(path: Path) -> None:
    """Print what removing half of the executions takes, and how long another process waited to write."""
    before = path.stat().st_size
    line = [sys.executable, "-c", _WRITES, str(path), str(time.time() + 3600)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            wall, cpu = run(path, "prune", "--name", "order-*")
        finally:
            writer.kill()
        longest = writer.stdout.read().split()
    with closing(sqlite3.connect(path)) as connection:
        count = connection.execute("SELECT count(*) FROM executions").fetchone()[0]
        sound = connection.execute("PRAGMA quick_check").fetchone()[0]
    smaller = (before - path.stat().st_size) / 1e9
    waited = float(longest[-1]) if longest else 0
    print(f"prune: {wall:.1f} s wall, {cpu:.1f} s CPU, {smaller:.2f} GB smaller; {count:,} are left, check: {sound}")
    print(f"prune: another process waited {waited:.2f} s at most to write")


def main() -> None:
    """Fill the stores, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_store", description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=200, help="of each execution")
    arguments = parser.parse_args()
    os.environ.pop("POWERTOOLS_DURABLE_STORE", None)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.sqlite", Path(folder) / "large.sqlite"
        fill(small, 2, 1_000)
        fill(large, arguments.executions, arguments.kilobytes * 1_000)
        facts = {"executions": arguments.executions, "gigabytes": round(large.stat().st_size / 1e9, 2)}
        print(json.dumps(facts), flush=True)
        measure(small, large)
        prune(large)


if __name__ == "__main__":
    main()
