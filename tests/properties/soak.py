"""``make soak``: very many executions of random programs, with crashes, faults and changed code; no violation.

``python -m tests.properties.soak --executions 100000 --processes 2 --first 0``
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing import SimpleQueue

from tests.properties.cases import examined, examined_of, script
from tests.properties.corpus import CORPUS

_CHUNK = 50  # seeds that a process is given at once
_MOST_SHOWN = 5


@dataclass
class Soaked:
    """What came of some seeds; ``seconds`` are those of the processor."""

    executions: int = 0
    seconds: float = 0.0
    tally: Counter[str] = field(default_factory=Counter)
    scripts: list[str] = field(default_factory=list)

    def add(self, other: Soaked) -> None:
        """Count *other* too."""
        self.executions += other.executions
        self.seconds += other.seconds
        self.tally.update(other.tally)
        self.scripts += other.scripts


@contextmanager
def unseen_lines() -> Iterator[None]:
    """Keep Python from printing warnings to stderr for want of a handler."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def soaked(first: int, seeds: int, *, awaits: bool = False) -> Soaked:
    """Run all cases of some seeds; with *awaits* as ``async def``."""
    found, began = Soaked(), time.process_time()
    with unseen_lines():
        for seed in range(first, first + seeds):
            for one in examined_of(seed, awaits=awaits):
                found.executions += 1
                found.tally.update(one.tally())
                if one.violations:
                    found.scripts.append(script(one.case, one.violations))
            if len(found.scripts) >= _MOST_SHOWN:
                break
    found.seconds = time.process_time() - began
    return found


def replayed() -> Soaked:
    """Run the corpus: whatever failed once."""
    found = Soaked()
    for case in CORPUS:
        one = examined(case)
        found.executions += 1
        if one.violations:
            found.scripts.append(script(one.case, one.violations))
    return found


def pinned(cores: SimpleQueue[int]) -> None:
    """Keep this process on a core of its own: a simulation's threads take turns, which costs a third less on one."""
    os.sched_setaffinity(0, {cores.get()})


def pool_of(processes: int) -> ProcessPoolExecutor:
    """Start processes, one for each core where there are as many."""
    if not hasattr(os, "sched_setaffinity"):
        return ProcessPoolExecutor(processes)
    cores: SimpleQueue[int] = SimpleQueue()
    for core in islice(cycle(sorted(os.sched_getaffinity(0))), processes):
        cores.put(core)
    return ProcessPoolExecutor(processes, initializer=pinned, initargs=(cores,))


def run(executions: int, processes: int, first: int) -> tuple[Soaked, int]:
    """Run seeds from *first* on until there were so many executions; return what came of it, and the seed after."""
    found, following = replayed(), first
    if found.scripts:
        return found, first
    with pool_of(processes) as pool:
        running: set[Future[Soaked]] = set()
        for following in range(first, sys.maxsize, _CHUNK):
            if found.executions >= executions or len(found.scripts) >= _MOST_SHOWN:
                break
            running |= {pool.submit(soaked, following, _CHUNK, awaits=awaits) for awaits in (False, True)}
            while len(running) > processes:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    found.add(future.result())
        for future in running:
            found.add(future.result())
    return found, following


def report(found: Soaked, began: float, seeds: range) -> Iterator[str]:
    """Yield lines about it."""
    took = time.perf_counter() - began
    for what in sorted({key.partition(": ")[0] for key in found.tally}):
        yield f"{what}:"
        named = {key.partition(": ")[2]: count for key, count in found.tally.items() if key.startswith(f"{what}: ")}
        yield from (f"  {count:>9,}  {name}" for name, count in sorted(named.items(), key=lambda pair: -pair[1]))
    for text in found.scripts[:_MOST_SHOWN]:
        yield from ("", "-- violation: this script shows it ".ljust(100, "-"), text)
    a_second = found.executions / took
    yield (
        f"{found.executions:,} executions in {took:.0f} s, {a_second:.0f} a second, "
        f"{found.seconds / max(found.executions, 1) * 1000:.1f} ms of processor time each; "
        f"seeds {seeds.start} to {seeds.stop - 1}; {len(found.scripts)} violations"
    )


def main() -> int:
    """Soak; 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.soak")
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    began = time.perf_counter()
    found, following = run(given.executions, given.processes, given.first)
    print("\n".join(report(found, began, range(given.first, following))))  # noqa: T201 - a command
    return bool(found.scripts)


if __name__ == "__main__":
    raise SystemExit(main())
