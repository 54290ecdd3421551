"""Random programs explored: killed at every moment, at every two and every three, they come out the same.

``python -m tests.properties.exploring 200 40 5`` explores 200 programs with one crash, 40 with two and 5 with three.
"""

from __future__ import annotations

import logging
import sys
import time
from random import Random

from powertools_durable.testing import Exploration, Simulator, explore
from tests.properties.bodies import LEDGER
from tests.properties.making import Maker, Seeded
from tests.properties.programs import Program, Written, callbacks_of, functions_of, lines_of

SHORT = 5
"""Lines of a program that is explored with three crashes: those of a long one have no end."""


def program(seed: int) -> Program:
    """Return the program of that seed; `explore` objects to nothing in it."""
    return Maker(Seeded(Random(seed)), gestures=False, rare=False).program()


def explored(seed: int, crashes: int = 1) -> Exploration:
    """Explore it."""
    lines = program(seed)
    simulator = Simulator(Written(lines, f"program-{seed}").handler, functions=functions_of(lines))
    return explore(simulator, ledger=LEDGER, crashes=crashes, callbacks=callbacks_of(lines))


def main(singles: int, doubles: int = 0, triples: int = 0) -> int:
    """Explore programs, and print what fails; the number of programs that do."""
    short = (seed for seed in range(sys.maxsize) if len(list(lines_of(program(seed)))) <= SHORT)
    deepest = {next(short) for _ in range(triples)}
    began, runs, points, bad = time.perf_counter(), 0, 0, 0
    for seed in sorted({*range(singles), *deepest}):
        found = explored(seed, crashes=3 if seed in deepest else 2 if seed < doubles else 1)
        runs, points = runs + found.runs, points + len(found.crash_points)
        if found.failures:
            bad += 1
            print(f"seed {seed}", Written(program(seed)).source, found.report(), sep="\n", flush=True)  # noqa: T201 - a command
    told = f"{singles} programs, {doubles} with two crashes, {triples} with three"
    print(f"{told}: {points} crash points, {runs} runs, {time.perf_counter() - began:.0f} s, {bad} bad")  # noqa: T201
    return bad


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
