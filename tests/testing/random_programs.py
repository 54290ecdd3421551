"""Correct handlers that a seed writes: explored at every moment, they must survive.

``python -m tests.testing.random_programs 200 40`` explores 200 programs with one crash, and 40 with two.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from random import Random

from powertools_durable import (
    CallbackTimeoutError,
    Completion,
    Polling,
    Retry,
    StepError,
    StepInterruptedError,
    StepSemantics,
    current_step,
    durable,
)
from powertools_durable.testing import Ledger, Simulator, explore

log = logging.getLogger(__name__)
LEAVES = ("step", "flaky", "refused", "once", "wait", "callback", "nobody", "poll", "batch", "drawn", "invoke", "log")
NODES = ("child", "parallel", "map", "saga", "guarded", "raced")


def written(random, depth=2, most=3):
    """Write a program: a list of (kind, number, programs inside)."""
    lines = []
    for _ in range(random.randint(1, most)):
        kind = random.choice(LEAVES if depth == 0 or random.random() < 0.65 else NODES)
        inside = [written(random, depth - 1, 2) for _ in range(random.randint(1, 2))] if kind in NODES else []
        lines.append((kind, random.randint(1, 3), inside))
    return lines


class Program:
    """A program as a handler, with a ledger for what it does."""

    def __init__(self, seed):
        self.seed = seed
        self.lines = written(Random(seed))
        self.ledger = Ledger()
        self.handler = durable(lambda event, ctx: self.run(ctx, self.lines))

    def __repr__(self):
        return f"Program({self.seed}): {self.lines}"

    def explored(self, crashes=1):
        simulator = Simulator(self.handler, functions={"other": lambda event: event})
        return explore(simulator, ledger=self.ledger, crashes=crashes, callbacks={"answered": {"yes": True}})

    def run(self, ctx, lines):
        return [
            getattr(self, kind)(ctx, f"{kind}-{at}", number, inside) for at, (kind, number, inside) in enumerate(lines)
        ]

    def does(self, value):
        self.ledger.record("did", key=current_step().idempotency_key)
        return value

    def undoes(self, child, value):
        return child.step(self.does, value, name="undo")

    # -- leaves ----------------------------------------------------------------------------------------------

    def step(self, ctx, name, number, _):
        return ctx.step(self.does, number, name=name)

    def flaky(self, ctx, name, number, _):
        def body():
            self.does(number)
            if current_step().attempt < number:
                raise TimeoutError(name)
            return current_step().attempt

        return ctx.step(body, name=name, retry=Retry(max_attempts=number, initial_delay=number))

    def refused(self, ctx, name, number, _):
        def body():
            raise PermissionError(name)

        try:
            return ctx.step(body, name=name, retry=Retry(max_attempts=number))
        except StepError as error:
            return [error.error_type, error.message]

    def once(self, ctx, name, number, _):
        semantics = StepSemantics.AT_MOST_ONCE
        try:
            return ctx.step(lambda: number, name=name, semantics=semantics, retry=Retry.none())
        except StepInterruptedError:
            return ctx.step(lambda: number, name=f"{name}-looked-up")

    def wait(self, ctx, name, number, _):
        return ctx.wait(number * 60, name=name)

    def callback(self, ctx, _, number, __):
        answer = ctx.wait_for_callback(lambda _: self.does(number), name="answered", returns=dict, timeout=9_000)
        return answer["yes"]

    def nobody(self, ctx, name, number, _):
        try:
            return ctx.create_callback(name=name, timeout=number * 100).result()
        except CallbackTimeoutError as error:
            return str(error)

    def poll(self, ctx, name, number, _):
        polling = Polling(lambda state: state >= number, initial_delay=number)
        return ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling, name=name)

    def batch(self, ctx, name, number, _):
        with ctx.batch():
            return [ctx.step(self.does, at, name=f"{name}-{at}") for at in range(number)]

    def drawn(self, ctx, name, number, _):
        return [str(ctx.uuid4()), ctx.random.random(), str(ctx.started_at), str(ctx.now()), name, number]

    def invoke(self, ctx, name, number, _):
        return ctx.invoke("other", {"number": number}, name=name)

    def log(self, _, name, number, __):
        log.warning("%s %s", name, number)

    # -- nodes -----------------------------------------------------------------------------------------------

    def child(self, ctx, name, _, inside):
        return ctx.run_in_child_context(self.run, inside[0], name=name)

    def parallel(self, ctx, name, number, inside):
        branches = [lambda below, lines=lines: self.run(below, lines) for lines in inside]
        batch = ctx.parallel(branches, name=name, max_concurrency=number)
        batch.raise_if_failed()
        return batch.results

    def map(self, ctx, name, number, inside):
        batch = ctx.map(lambda below, item: [item, self.run(below, inside[0])], list(range(number)), name=name)
        batch.raise_if_failed()
        return batch.results

    def saga(self, ctx, name, number, _):
        def refuse():
            raise LookupError(name)

        try:
            with ctx.saga():
                for at in range(number):
                    ctx.step_with_compensation(self.does, at, compensate=self.undoes, name=f"{name}-{at}")
                ctx.step(refuse, name=f"{name}-refused", retry=Retry.none())
        except StepError as error:
            return error.message

    def guarded(self, ctx, name, number, inside):
        try:
            with contextlib.suppress(ValueError):
                self.run(ctx, inside[0])
                raise ValueError(number)
        except Exception as error:  # noqa: BLE001 - as users write it
            return repr(error)
        finally:
            name = name.upper()
        return name

    def raced(self, ctx, name, number, _):
        def slow(below):
            below.wait(1_000, name="slow")
            return "slow"

        def quick(below):
            below.wait(number, name="quick")
            return below.step(self.does, "quick", name="quick-step")

        branches = {"slow": slow, "quick": quick}
        return ctx.parallel(branches, name=name, completion=Completion.first_successful()).results


def main(singles, doubles, first=0):
    """Explore programs, and print what fails."""
    began, runs, points, bad = time.perf_counter(), 0, 0, 0
    for seed in range(first, first + singles):
        program = Program(seed)
        found = program.explored(crashes=2 if seed < first + doubles else 1)
        runs, points = runs + found.runs, points + len(found.crash_points)
        if found.failures:
            bad += 1
            print(program, found.report(), sep="\n")  # noqa: T201
    took = f"{time.perf_counter() - began:.0f} s"
    print(f"{singles} programs, {doubles} with two crashes: {points} crash points, {runs} runs, {took}, {bad} bad")  # noqa: T201
    return bad


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
