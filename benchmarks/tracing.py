"""What tracing costs: ``python -m benchmarks.tracing``.

Microseconds of CPU an operation, a step in the service's twin, more than without a tracer; and a subsegment of the
user's own. Documents go to a socket of this machine that nobody reads.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

ROUNDS = 7
STEPS = 1000
SUBSEGMENTS = 5000
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled="


@contextmanager
def lambda_with_a_daemon() -> Iterator[None]:
    """Be in Lambda as far as the X-Ray SDK goes, before it is imported."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        os.environ["AWS_XRAY_DAEMON_ADDRESS"] = f"127.0.0.1:{daemon.getsockname()[1]}"
        os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
        os.environ["_X_AMZN_TRACE_ID"] = f"{HEADER}1"
        yield


def least(*measures: Callable[[], tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the least of each figure in several rounds, the first round left out."""
    rounds = [[_undisturbed(measure) for measure in measures] for _ in range(ROUNDS + 1)]
    return [tuple(map(min, zip(*found, strict=True))) for found in zip(*rounds[1:], strict=True)]


def _undisturbed(measure: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Measure without the garbage of the one before."""
    gc.collect()
    gc.disable()
    try:
        return measure()
    finally:
        gc.enable()


def operations() -> Sequence[tuple[str, tuple[float, ...]]]:
    """Measure one invocation of many steps, and its replay, by what is traced of it."""
    from aws_lambda_powertools import Tracer

    from powertools_durable import DurableConfig, DurableContext, durable
    from powertools_durable.testing import Simulator

    tracer = Tracer(service="bench", auto_patch=False)

    def code(count: int, ctx: DurableContext) -> None:
        with ctx.batch():
            for number in range(count):
                ctx.step(int, number, name="step")
        ctx.wait(1)

    def measure(sampled: int, **options: Any) -> Callable[[], tuple[float, ...]]:
        handler = durable(**options)(code)

        def once() -> tuple[float, ...]:
            os.environ["_X_AMZN_TRACE_ID"] = f"{HEADER}{sampled}"
            moments = [time.process_time()]
            run = Simulator(handler).start(STEPS)
            moments.append(time.process_time())
            run.finish()
            moments.append(time.process_time())
            return tuple((end - begin) / STEPS * 1e6 for begin, end in pairwise(moments))

        return once

    def traced(mode: Any, cap: int = 20) -> Callable[[], tuple[float, ...]]:
        config = DurableConfig(trace_operations=mode, trace_max_subsegments=cap)
        return measure(1, tracer=tracer, config=config)

    variants = {
        "unsampled": measure(0, tracer=tracer),
        "off": traced("off"),
        "summary": traced("summary"),
        "live, 20 are drawn": traced("live"),
        "live, all are drawn": traced("live", STEPS),
    }
    without, *rest = least(measure(1), *variants.values())
    more = [tuple(a - b for a, b in zip(found, without, strict=True)) for found in rest]
    return [("no tracer", without), *zip(variants, more, strict=True)]


def subsegments() -> Sequence[tuple[str, float]]:
    """Measure ``in_subsegment``, with the SDK's context and with ours."""
    from aws_xray_sdk.core import xray_recorder

    from powertools_durable.integrations.xray_context import install, uninstall

    def once() -> tuple[float]:
        began = time.process_time()
        for _ in range(SUBSEGMENTS):
            with xray_recorder.in_subsegment("own"):
                pass
        return ((time.process_time() - began) / SUBSEGMENTS * 1e6,)

    def sampled() -> float:
        os.environ["_X_AMZN_TRACE_ID"] = f"{HEADER}1"
        return least(once)[0][0]

    def unsampled() -> float:
        # Another root: the SDK's own context keeps the decision of the first invocation otherwise.
        os.environ["_X_AMZN_TRACE_ID"] = HEADER.replace("bd86", "bd87") + "0"
        return least(once)[0][0]

    uninstall()
    rows = [("the SDK's context, sampled", sampled()), ("the SDK's context, unsampled", unsampled())]
    install(xray_recorder)
    return [*rows, ("ours, sampled", sampled()), ("ours, unsampled", unsampled())]


def main() -> None:
    """Print all."""
    with lambda_with_a_daemon():
        print(f"tracing, us CPU an operation of {STEPS}, run and replayed; more than without a tracer")
        for name, (run, replayed) in operations():
            print(f"  {name:30} {run:7.2f} {replayed:7.2f}")
        print("a subsegment of the user's own, us CPU")
        for name, value in subsegments():
            print(f"  {name:30} {value:7.2f}")


if __name__ == "__main__":
    main()
