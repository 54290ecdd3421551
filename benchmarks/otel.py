"""What OpenTelemetry costs: ``python -m benchmarks.otel``.

Microseconds of CPU an operation, a step in the service's twin, more than without a plugin; and milliseconds of CPU that
an invocation and an import cost. Spans are kept in memory and sent nowhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.tracing import HEADER, STEPS, least

INVOCATIONS = 500
IMPORT = "import time; import powertools_durable.plugins, powertools_durable.integrations; began = time.process_time()"
TAKEN = "print(time.process_time() - began)"


def costs() -> Sequence[tuple[str, tuple[float, ...]]]:
    """Measure one invocation of many steps and its replay, and invocations that do nothing else."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    from powertools_durable import DurableContext, durable
    from powertools_durable.integrations.otel import OpenTelemetry
    from powertools_durable.testing import Simulator

    class Dropping(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002 - as the SDK has it
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Dropping()))

    def code(count: int, ctx: DurableContext) -> None:
        with ctx.batch():
            for number in range(count):
                ctx.step(int, number, name="step")
        ctx.wait(1)

    def measure(header: str, *plugins: Any) -> Callable[[], tuple[float, ...]]:
        handler, empty = durable(plugins=plugins)(code), durable(plugins=plugins)(lambda event, ctx: None)  # noqa: ARG005

        def once() -> tuple[float, ...]:
            os.environ["_X_AMZN_TRACE_ID"] = header
            moments = [time.process_time()]
            run = Simulator(handler).start(STEPS)
            moments.append(time.process_time())
            run.finish()
            moments.append(time.process_time())
            for _ in range(INVOCATIONS):
                Simulator(empty).start()
            moments.append(time.process_time())
            run_, replay, empties = (end - begin for begin, end in pairwise(moments))
            return run_ / STEPS * 1e6, replay / STEPS * 1e6, empties / INVOCATIONS * 1e3

        return once

    off = OpenTelemetry(provider)
    without, *rest = least(
        measure(f"{HEADER}1"),
        measure(f"{HEADER}1", OpenTelemetry()),
        measure(f"{HEADER}0", off),
        measure(f"{HEADER}1", off),
    )
    names = ("no provider", "unsampled", "sampled")
    more = [tuple(a - b for a, b in zip(found, without, strict=True)) for found in rest]
    return [("no plugin", without), *zip(names, more, strict=True)]


def imported(statement: str) -> float:
    """Return the milliseconds of CPU that an import takes in a fresh process, the least of several."""
    command = [sys.executable, "-c", f"{IMPORT}; {statement}; {TAKEN}"]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(7)) * 1e3


def main() -> None:
    """Print all."""
    print(
        f"OpenTelemetry: us CPU an operation of {STEPS}, run and replayed, ms CPU an invocation; more than without it"
    )
    for name, (run, replayed, invocation) in costs():
        print(f"  {name:20} {run:7.2f} {replayed:7.2f} {invocation:7.3f}")
    print("importing, ms CPU")
    print(f"  OpenTelemetry and the API  {imported('import powertools_durable.integrations.otel'):7.1f}")
    print(f"  the SDK                    {imported('import opentelemetry.sdk.trace'):7.1f}")


if __name__ == "__main__":
    main()
