"""What a line of Powertools' Logger costs: suppressed on replay, emitted live, and emitted by Powertools alone."""

from __future__ import annotations

import cProfile
import logging
import pstats
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger

from powertools_durable import DurableContext, durable
from powertools_durable.testing import Simulator

__all__ = ["powertools_line"]

STEPS = 200
LINES = 10  # before each step
TAIL = 2000  # behind the last


class Sink:
    """Counts the lines."""

    def __init__(self) -> None:
        self.lines = 0

    def write(self, text: str) -> None:
        """Take a line."""
        self.lines += bool(text.strip())

    def flush(self) -> None:
        """Nothing waits here."""


class Talker:
    """Says lines and takes the time."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.logger = Logger("bench", stream=self.sink)  # type: ignore[arg-type]
        self.suppressed = self.emitted = 0.0

    def say(self, count: int) -> float:
        """Return the CPU seconds of *count* lines."""
        began = time.process_time()
        for number in range(count):
            self.logger.info("line %d of step %d", number, 1)
        return time.process_time() - began

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Without what this library adds."""
        saved = [(handler, handler.filters) for handler in self.logger.handlers]
        for handler, _ in saved:
            handler.filters = []
        try:
            yield
        finally:
            for handler, filters in saved:
                handler.filters = filters

    def program(self, client: Any, steps: int, *, talks: bool) -> Any:
        """Make the handler of *steps* steps that says lines, or one that is silent."""

        @durable(boto3_client=client)
        def handler(_event: dict[str, Any], ctx: DurableContext) -> int:
            quiet = 0.0
            for i in range(steps):
                quiet += self.say(LINES) if talks and i < STEPS else 0.0
                ctx.step(int, i, name=f"s{i}")
            if talks:
                self.suppressed, self.emitted = quiet * 1e6 / (STEPS * LINES), self.say(TAIL) * 1e6 / TAIL
            return steps

        return handler


def powertools_line(bench: Any) -> dict[str, float]:
    """Replay STEPS steps with lines before each, run a new one, and say lines behind it."""
    talker = Talker()
    logging.getLogger().handlers[:] = []
    history = bench.record(talker.program(bench.client, STEPS, talks=False))
    history = [{**record, "Status": "STARTED"} if record["Type"] == "EXECUTION" else record for record in history]
    handler = talker.program(bench.client, STEPS + 1, talks=True)

    def once() -> dict[str, float]:
        bench.load(history)
        talker.sink.lines = 0
        bench.succeeded(bench.invoke(handler, bench.event()), STEPS + 1)
        if talker.sink.lines != TAIL:
            message = f"{talker.sink.lines} lines came out"
            raise RuntimeError(message)
        with talker.alone():
            alone = talker.say(TAIL) * 1e6 / TAIL
        return {"suppressed_us": talker.suppressed, "emitted_us": talker.emitted, "alone_us": alone}

    figures: dict[str, float] = bench.repeat(once, most=9)
    figures["emitted_over_alone"] = round(figures["emitted_us"] / figures["alone_us"], 3)
    return figures


def main() -> None:
    """Print where the time of lines goes that are suppressed: ``python -m benchmarks.log_line``."""
    talker = Talker()
    profile = cProfile.Profile()

    @durable
    def handler(_event: object, ctx: DurableContext) -> None:
        if replays := ctx.is_replaying:
            profile.enable()
        talker.say(20_000)
        if replays:
            profile.disable()
        ctx.wait(1)

    Simulator(handler).start().finish()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
