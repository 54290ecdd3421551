"""Where the time of one invocation goes, as text: ``python -m benchmarks.profiled --harness DIR replay``.

The profiles in ``profiles/`` were made with it. A profiler makes short functions look longer than they are, so read
it for what is called and how often, and take the time from ``make bench``.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import pstats
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COUNT = 1000
LINES = 16


def invocation(what: str, bench: Any) -> tuple[Callable[..., Any], list[Any] | None, int | None]:
    """Return a handler, its history and the size of the first page."""
    from peers.base import FanOut, Steps  # type: ignore[import-not-found]
    from scenarios import reopen_last_item, visible  # type: ignore[import-not-found]

    peer, stub = bench.peer, bench.stub
    match what:
        case "replay":
            history = visible(bench.record(peer.steps(stub, Steps(COUNT, _body))))
            return peer.steps(stub, Steps(COUNT + 1, _body)), history, None
        case "steps":
            return peer.steps(stub, Steps(COUNT, _body)), None, None
        case "map":
            return peer.fan_out(stub, FanOut(COUNT, _double, 0.001, 100)), None, None
        case _:
            history = visible(reopen_last_item(bench.record(peer.fan_out(stub, FanOut(COUNT, _double, 0.0, 50)))))
            return peer.fan_out(stub, FanOut(COUNT, _double)), history, COUNT + 1


def _body(i: int) -> dict[str, Any]:
    return {"i": i, "ok": True}


def _double(i: int) -> int:
    return i * 2


def main() -> None:
    """Print a profile of the thread that Lambda called; of a map that of its branches' threads too."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiled", description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("replay", "steps", "map", "map-replay"))
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--peer", default="ours")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.harness))
    import peers  # type: ignore[import-not-found]

    peers.__path__.append(str(Path(__file__).parent / "peers"))
    from scenarios import Bench, LambdaContext

    bench = Bench(lambda: importlib.import_module(f"peers.{arguments.peer}").Peer())
    handler, history, first_page = invocation(arguments.what, bench)
    latency = 0.005 if arguments.what == "map" else 0.0
    for _ in range(3):
        bench.load(history, latency)
        event = bench.event(first_page)
        with every_thread() as profiles:
            handler(event, LambdaContext())
    found = pstats.Stats(*profiles)
    found.strip_dirs().sort_stats("tottime").print_stats(LINES)


@contextmanager
def every_thread() -> Iterator[list[cProfile.Profile]]:
    """Profile this thread and each that is started meanwhile, by the CPU that each takes: waiting is none."""
    profiles = [cProfile.Profile(time.thread_time)]
    run = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].runcall(run, thread)

    threading.Thread.run = profiled  # type: ignore[method-assign]
    profiles[0].enable()
    try:
        yield profiles
    finally:
        profiles[0].disable()
        threading.Thread.run = run  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
