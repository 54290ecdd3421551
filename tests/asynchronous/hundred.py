"""A gather of many tasks with three operations each, killed at a random moment: one set of ids, one result.

``python -m tests.asynchronous.hundred --seeds 1000`` is part of ``make soak``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from powertools_durable import AsyncDurableContext, durable
from tests.asynchronous.place_programs import three
from tests.properties.events import Requested, Trace
from tests.properties.trace import observe

__all__ = ["differences", "outcome_of", "run"]


@durable
async def handler(count: int, ctx: AsyncDurableContext) -> list[Any]:
    """Make *count* tasks; each has a step on the event loop, a wait, and a step on a thread."""
    return await asyncio.gather(*(three(ctx, number) for number in range(count)))


def run(count: int, seed: int = 0, kills: Sequence[int] = ()) -> Trace:
    """Run it; the process dies at those moments."""
    return observe(handler, count, seed=seed, kills=kills)


def outcome_of(trace: Trace) -> tuple[Any, dict[str, list[Any]]]:
    """Return the result, and the parent, name and kind of everything that was recorded, by id."""
    sent = [update for event in trace.events if type(event) is Requested for update in event.updates]
    records = {update["Id"]: [update.get(key) for key in ("ParentId", "Name", "SubType", "Type")] for update in sent}
    return (trace.status, trace.words, json.loads(trace.result or "null")), records


def differences(count: int, seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Return each seed, and the moment of death, with which something is otherwise than in a run without a crash."""
    whole = run(count)
    expected = outcome_of(whole)
    found = []
    for seed in seeds:
        dies = Random(seed).randrange(len(whole.moments))
        if outcome_of(run(count, seed, [dies])) != expected:
            found.append((seed, dies))
    return found


def main() -> int:
    """Run so many seeds; 1 if one makes a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.asynchronous.hundred")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    found = differences(100, range(given.first, given.first + given.seeds))
    took = time.perf_counter() - began
    print(f"100 tasks x 3 operations, {given.seeds:,} seeds with a random kill, in {took:.0f} s: {len(found)} differ")  # noqa: T201 - a command
    for seed, dies in found:
        print(f"  seed {seed}, dies at moment {dies}")  # noqa: T201 - a command
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
