"""Runs a handler in the simulator to its end, with crashes and faults, and writes down all that happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from powertools_durable._hosting import invoker_of, target_of
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.errors import ValidationError
from powertools_durable.parser.stored import input_text
from powertools_durable.testing.crash_testing.effect_ledger import Ledger
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.sandbox import Sandboxes
from powertools_durable.testing.simulation.seeded_threads import SeededThreads
from powertools_durable.testing.simulation.simulated_run import SimulatedCallback, SimulatedRun
from powertools_durable.testing.simulation.simulator import SeededIds
from tests.leaks import open_files
from tests.properties.events import Trace, digest
from tests.properties.faults import NONE, FaultPlan, Faults
from tests.properties.faulty import FaultyHost
from tests.properties.recorder import Scribe, recorded

__all__ = ["observe"]

NAME = "traced"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:simulated:1/durable-execution/{NAME}/{'0a1b' * 8}"
_PUSHES = 400  # times that a run is pushed on, at most


def observe(
    handler: Callable[..., Any],
    event: object = None,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    seed: int = 0,
    kills: Sequence[int] = (),
    faults: FaultPlan = NONE,
    callbacks: Mapping[str, Any] | None = None,
    ledger: Ledger | None = None,
    timeout: float = 900,
    canaries: Sequence[str] = (),
    twice: bool = False,
) -> Trace:
    """Run *handler* to its end, and return what happened.

    Parameters
    ----------
    handler : Callable
        What `durable` made.
    event : object
        The input.
    functions : Mapping[str, Callable] | None
        What it invokes, as a `Simulator` takes them.
    seed : int
        Decides tokens, and who of several threads goes on.
    kills : Sequence[int]
        The numbers of the moments at which a process dies; those of ``trace.moments``, and of `explore`.
    faults : FaultPlan
        What goes wrong between process and service.
    callbacks : Mapping[str, object] | None
        Answers by name: a value, or a function that takes the `SimulatedCallback`. Others time out.
    ledger : Ledger | None
        Where the handler's fakes write down what they do; it is emptied first.
    timeout : float
        Seconds an invocation may last.
    canaries : Sequence[str]
        What may appear in no line of the library and no metric.
    twice : bool
        Do it again, so that I23 can be looked at.
    """
    again = partial(
        observe,
        handler,
        event,
        functions=functions,
        seed=seed,
        kills=kills,
        faults=faults,
        callbacks=callbacks,
        ledger=ledger,
        timeout=timeout,
        canaries=canaries,
    )
    if ledger is not None:
        ledger.clear()
    trace = Trace(arn=ARN, seed=seed, kills=tuple(kills), skew=faults.skew, canaries=tuple(canaries))
    scribe = Scribe(trace)
    run = _prepared(handler, event, functions or {}, scribe, Faults(faults), timeout)
    files = open_files()
    with scribe.listening(run):
        try:
            _push(run, callbacks or {})
        except ValidationError as problem:
            trace.stuck = str(problem)
        finally:
            run.close()
    trace.handles = len(open_files() - files)
    trace.lost_baton = run.threads.lost_baton
    header = run.host.execution(ARN).header
    trace.status, trace.result = header.status, header.result
    if header.error is not None:
        trace.error, trace.words = header.error.error_type or "", header.error.error_message or ""
    trace.metrics = [json.dumps(metric) for metric in run.metrics]
    trace.faults = dict(scribe.faults.count)
    if twice:
        other = again()
        if not (trace.lost_baton or other.lost_baton):  # nobody can say then what a seed decides
            trace.again = digest(other)
    return trace


# -- the run ---------------------------------------------------------------------------------------------------


class _Steady(Random):
    """Jitter that is always the same, so that no moment depends on how many requests were made before."""

    def random(self) -> float:
        return 0.5


class _Skewed:
    """A clock that is ahead of another."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self._clock = clock
        self._ahead = timedelta(seconds=seconds)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep

    def now(self) -> datetime:
        return self._clock.now() + self._ahead


def _prepared(
    handler: Callable[..., Any],
    event: object,
    functions: Mapping[str, Callable[..., Any]],
    scribe: Scribe,
    faults: Faults,
    timeout: float,
) -> SimulatedRun:
    """Put together what `Simulator.prepare` does, with a host, a driver and a clock of our own."""
    random, clock = _Steady(scribe.trace.seed), VirtualClock()
    scribe.clock, scribe.faults, scribe.timeout = clock, faults, timeout
    host = FaultyHost(MemoryStore(), clock, SeededIds(random), invocation_timeout=timeout)
    host.scribe, host.faults = scribe, faults
    threads = SeededThreads(clock, RandomSchedule(f"{scribe.trace.seed}/threads"))
    host.sandboxes = sandboxes = Sandboxes(
        ServiceBackend(host), clock, threads, timeout, watch=scribe, schedule=f"{scribe.trace.seed}"
    )
    loops = sandboxes.loops_of(handler)
    environment = Environment(
        _Skewed(clock, faults.plan.skew) if faults.plan.skew else clock,
        random,
        probe=scribe,
        threads=threads,
        performer=partial(recorded, scribe),
    )
    targets = {
        name: sandboxes.wrap_target(target_of(function, backend=sandboxes, environment=environment))
        for name, function in functions.items()
    }
    if loops is not None:  # what an async driver does is recorded by `async_recorded`
        environment = replace(environment, performer=None, loops=loops)
    invoker = sandboxes.wrap_invoker(invoker_of(handler, backend=sandboxes, environment=environment), loops)
    host.start(ARN, NAME, input_text(event))
    return SimulatedRun(host, clock, ARN, invoker, targets, threads=threads, on_end=sandboxes.close)


def _push(run: SimulatedRun, callbacks: Mapping[str, Any]) -> None:
    run.settle()
    answered: set[str] = set()
    for _ in range(_PUSHES):
        if run.status != "RUNNING":
            return
        if not _answer(run, callbacks, answered):
            before = (run.now, len(run.invocations))
            if (run.step().now, len(run.invocations)) == before:
                break
    if run.status == "RUNNING":
        message = f"comes to no end: {run!r}"
        raise ValidationError(message)


def _answer(run: SimulatedRun, callbacks: Mapping[str, Any], answered: set[str]) -> bool:
    for name, answer in callbacks.items():
        for record in run.open_callbacks_called(name):
            if record.id not in answered:
                answered.add(record.id)
                callback = SimulatedCallback(run, record)
                if callable(answer):
                    answer(callback)
                else:
                    callback.succeed(answer)
                return True
    return False
