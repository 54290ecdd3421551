"""Scenarios of ``async def`` handlers that the shared harness does not have."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from datetime import timedelta
from typing import Any

__all__ = ["EXTRAS"]


def gather_replay(bench: Any, n: int) -> dict[str, float]:
    """A gather of *n* steps of which all but the last are done: replay it."""
    from peers.base import FanOut  # type: ignore[import-not-found]
    from scenarios import PAGE, Clock  # type: ignore[import-not-found]

    clock = Clock(bench.service)
    history = bench.record(bench.peer.fan_out(bench.stub, FanOut(n, _double)))[:-1]
    handler = bench.peer.fan_out(bench.client, FanOut(n, _double))

    def once() -> dict[str, float]:
        bench.load(history)
        bench.succeeded(bench.invoke(handler, bench.event(PAGE + 1), clock), n * (n - 1))
        wall, cpu = clock.between("enter", "return")
        return {"wall_ms": wall, "cpu_ms": cpu, "us_per_item": cpu * 1e3 / n}

    figures: dict[str, float] = bench.repeat(once, most=6)
    return figures


def parked(bench: Any, n: int) -> dict[str, float]:
    """*n* waits at once, all due at one moment: the invocation that resumes."""
    from scenarios import PAGE, Clock, LambdaContext

    clock = Clock(bench.service)
    handler = bench.peer.parked(bench.client, n)
    bench.service.reset(None, PAGE)
    answer = bench.peer.parked(bench.stub, n)(bench.event(), LambdaContext())
    if answer["Status"] != "PENDING":
        raise RuntimeError(answer)
    due = bench.service.clock() + timedelta(seconds=61)
    history = [
        {**op, "Status": "SUCCEEDED", "EndTimestamp": due} if op["Type"] == "WAIT" else op
        for op in bench.service.ops.values()
    ]

    def once() -> dict[str, float]:
        bench.load(history)
        bench.succeeded(bench.invoke(handler, bench.event(PAGE + 1), clock), n)
        wall, cpu = clock.between("enter", "return")
        return {"wall_ms": wall, "cpu_ms": cpu, "wall_us_per_op": wall * 1e3 / n, "cpu_us_per_op": cpu * 1e3 / n}

    figures: dict[str, float] = bench.repeat(once, most=4)
    bench.load(history)
    event = bench.event(PAGE + 1)
    gc.collect()
    tracemalloc.start()
    bench.succeeded(handler(event, LambdaContext()), n)
    figures["py_peak_kb_per_op"] = tracemalloc.get_traced_memory()[1] / 1024 / n
    tracemalloc.stop()
    return figures


def threads_left(bench: Any) -> dict[str, float]:
    """Threads of ours that are there after an invocation has suspended and one has finished."""
    from peers.base import FanOut, Waiting
    from scenarios import PAGE, LambdaContext

    before = threading.active_count()
    bench.service.reset(None, PAGE)
    bench.peer.waiting(bench.stub, Waiting(_double))(bench.event(), LambdaContext())
    suspended = threading.active_count() - before
    bench.record(bench.peer.fan_out(bench.stub, FanOut(50, _double, 0.001)))
    return {"suspended": suspended, "finished": threading.active_count() - before}


def _double(i: int) -> int:
    return i * 2


EXTRAS = {"gather_replay": gather_replay, "parked": parked, "threads_left": threads_left}
