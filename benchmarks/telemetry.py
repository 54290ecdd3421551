"""What Logger costs in a durable execution: ``python -m benchmarks.telemetry``; what Tracer costs: ``.tracing``.

CPU time, the least of several rounds, beside the target of the design.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from powertools_durable import DurableContext, durable
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.scopes import Scopes
from powertools_durable.integrations.replay_filter import FILTER
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo
from powertools_durable.testing import Simulator, reset

ROUNDS = 7
RECORDS = 5000
OPERATIONS = 3000
LINES = 3  # for each operation
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-42/0a1b"

Row = tuple[str, float, float | None, str]


class Sink:
    """Takes lines, and keeps none."""

    def write(self, text: str) -> None:
        """Take one."""

    def flush(self) -> None:
        """Nothing waits here."""


class Replays:
    """A context that repeats."""

    replay_state = ReplayState.REPLAY


LIVE = ScopeInfo(
    execution_arn=ARN,
    execution_name="order-42",
    context_id="c" * 64,
    operation_id="0" * 64,
    operation_name="charge",
    attempt=1,
)
SCOPES = {"without a scope": None, "dropped": replace(LIVE, where=Replays()), "stamped": LIVE}


def least(measure: Callable[[], float]) -> float:
    """Return the least of several rounds; the first is left out."""
    return min([measure() for _ in range(ROUNDS + 1)][1:])


def each(count: int, call: Callable[[Any], object], arguments: Callable[[], list[Any]]) -> float:
    """Return microseconds a call, with new arguments for each round."""

    def once() -> float:
        given = arguments()
        began = time.process_time()
        for one in given:
            call(one)
        return (time.process_time() - began) / count * 1e6

    return least(once)


def records() -> list[logging.LogRecord]:
    """Make records that no filter has seen."""
    return [logging.makeLogRecord({"name": "orders", "msg": "charged", "funcName": "f"}) for _ in range(RECORDS)]


def filters() -> Iterator[Row]:
    """Measure the filter alone."""
    for name, scope in SCOPES.items():
        token = SCOPE.set(scope)
        yield f"filter, {name}", each(RECORDS, FILTER.filter, records), 5, "us a record"
        SCOPE.reset(token)


def calls() -> Iterator[Row]:
    """Measure a whole call of the logger, beside one that nobody filters."""
    sink: Any = Sink()
    logger = Logger(service="bench", stream=sink)
    logging.getLogger().handlers[:] = []

    def call(_: object) -> None:
        logger.info("charged", order_id=42)

    reset()
    yield "logger.info, not durable", each(RECORDS, call, lambda: [None] * RECORDS), None, "us a call"
    durable(lambda event, ctx: None)  # noqa: ARG005 - it puts the filter on
    for name, scope in SCOPES.items():
        token = SCOPE.set(scope)
        yield f"logger.info, {name}", each(RECORDS, call, lambda: [None] * RECORDS), None, "us a call"
        SCOPE.reset(token)


def switches() -> Iterator[Row]:
    """Measure what tells the running code who it is."""
    from random import Random

    frame = Frame(ReplayEngine(ExecutionState(ARN), "token", Random(0)))
    op = frame.begin(OperationType.STEP, SubType.STEP, "charge")
    scopes, ends = Scopes(ARN, "order-42"), datetime.now(UTC)
    of_context = scopes.of_context(frame)

    def switch(_: object) -> None:
        SCOPE.reset(SCOPE.set(of_context))

    def into_a_step(_: object) -> None:
        SCOPE.reset(SCOPE.set(scopes.of_step(frame, op, 1, ends)))

    yield "scope switch", each(RECORDS, switch, lambda: [None] * RECORDS), 2, "us"
    yield "scope switch, with making a step's", each(RECORDS, into_a_step, lambda: [None] * RECORDS), None, "us"


def replays() -> Iterator[Row]:
    """Measure a replay that says lines before each operation, beside one that says none."""
    sink: Any = Sink()
    logger = Logger(service="bench-replay", stream=sink)
    logging.getLogger().handlers[:] = []

    def handler_of(lines: int) -> Any:
        @durable
        def handler(_event: object, ctx: DurableContext) -> None:
            with ctx.batch():
                for number in range(OPERATIONS):
                    for line in range(lines):
                        logger.info("line %d of operation %d", line, number)
                    ctx.step(int, number, name="step")
            ctx.wait(1)

        return handler

    def replay(lines: int) -> float:
        run = Simulator(handler_of(lines)).start()
        began = time.process_time()
        run.finish()
        return (time.process_time() - began) * 1e3

    silent, talking = least(lambda: replay(0)), least(lambda: replay(LINES))
    yield f"{OPERATIONS:,} replayed operations, silent", silent, None, "ms"
    yield f"the same with {LINES} lines each: more by", talking - silent, 150, "ms"


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {platform.machine()}, least of {ROUNDS} rounds, CPU time\n")
    for measure in (filters, calls, switches, replays):
        for name, value, most, unit in measure():
            target = "" if most is None else f"  at most {most:g}: {'met' if value <= most else 'NOT MET'}"
            print(f"{name:42} {value:8.2f} {unit:12}{target}")
    print("\ntracing: python -m benchmarks.tracing")


if __name__ == "__main__":
    main()
