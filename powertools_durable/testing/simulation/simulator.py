"""Runs a handler against a simulated service, in virtual time and in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from random import Random
from typing import Any, cast

from powertools_durable._hosting import durable_inside, invoker_of, target_of
from powertools_durable._protocol.duration import Duration, seconds_of
from powertools_durable._runtime.environment import Environment, Probe, Sights
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host
from powertools_durable._service.invocations import Target
from powertools_durable._service.storage import MemoryStore
from powertools_durable._timeline import Sightings
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name
from powertools_durable.parser.stored import check_execution_name, input_text
from powertools_durable.testing.argument_checks import expect
from powertools_durable.testing.crash_testing.leftover_globals import noting
from powertools_durable.testing.crash_testing.module_globals import modules_of
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.sandbox import Sandboxes, Watch
from powertools_durable.testing.simulation.sandbox_loops import SandboxLoops
from powertools_durable.testing.simulation.seeded_threads import SeededThreads
from powertools_durable.testing.simulation.simulated_run import SimulatedRun
from powertools_durable.testing.simulation.virtual_time import PlainProbe

__all__ = ["Simulator"]


class SeededIds:
    """Tokens and callback ids, derived from a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        # A separate generator: a callback's id must not depend on the number of requests before it.
        self._callbacks = Random(random.getrandbits(64))  # noqa: S311 - repeatable on purpose

    def token(self) -> str:
        """Return a checkpoint token."""
        return f"{self._random.getrandbits(128):032x}"

    def callback_id(self) -> str:
        """Return a callback id."""
        return f"cb{self._callbacks.getrandbits(160):040x}"


class Simulator:
    """A service, a clock and a seed for one handler.

    Time is virtual: a wait of a year takes no time. All random decisions are derived from the seed, and nothing
    outlives a run.

    Parameters
    ----------
    handler : Callable
        A function decorated with `durable`, with or without other decorators above it.
    functions : Mapping[str, Callable] | None
        Functions that ``ctx.invoke`` may call, by name, with or without a version: durable handlers, Lambda handlers,
        or fakes that take only the event.
    seed : int
        Decides tokens, callback ids and jitter.
    invocation_timeout : timedelta | int | float
        How long one invocation may last, in seconds or as a timedelta.

    Examples
    --------
    >>> run = Simulator(handler).start({"order": 42})     # doctest: +SKIP
    >>> run.callback("approval").succeed({"approved": True})  # doctest: +SKIP
    >>> run.finish().result  # doctest: +SKIP
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        seed: int = 0,
        invocation_timeout: Duration = 900,
    ) -> None:
        if durable_inside(handler) is None:
            message = f"Simulator() takes a function decorated with @durable, not {class_name(handler)}"
            raise ValidationError(message)
        if functions is not None:
            expect(functions, Mapping, "Simulator(functions=...)", "a mapping of names to functions")
        for name, function in (functions or {}).items():
            expect(name, str, "Simulator(functions=...)", "names of functions")
            expect(function, Callable, f"Simulator(functions={{{name!r}: ...}})", "a function")  # type: ignore[arg-type]
        expect(seed, int, "Simulator(seed=...)", "an integer")
        self.handler = handler
        self._functions = dict(functions or {})
        durable = [function for function in self._functions.values() if durable_inside(function) is not None]
        self.modules = modules_of(handler, *durable)
        self.seed = seed
        self._invocation_timeout = _more_than_none(invocation_timeout)
        self._started = 0

    def start(self, event: object = None, name: str | None = None) -> SimulatedRun:
        """Start an execution; it runs up to its first suspension.

        Parameters
        ----------
        event : object
            The input: any JSON value, a pydantic model or a dataclass. None is no input.
        name : str | None
            The execution's name; by default ``run-1``, ``run-2`` and so on.

        Returns
        -------
        SimulatedRun
            The execution.

        Raises
        ------
        ValidationError
            *event* can't be written as JSON, or *name* is not 1 to 64 letters, digits, hyphens or underscores.
        """
        return self.prepare(event, name).settle()

    def prepare(
        self,
        event: object,
        name: str | None = None,
        *,
        host: Callable[..., Host] = Host,
        chance: Callable[[str], Random] = Random,
        watch: Watch | None = None,
        schedule: str = "threads",
        invocation_timeout: float | None = None,
    ) -> SimulatedRun:
        """Start an execution without invoking the handler yet.

        *watch* observes it and must be a `Probe`, too. Another *schedule* gives another interleaving of threads.
        *invocation_timeout*, in seconds, replaces the simulator's.
        """
        seconds = self._invocation_timeout if invocation_timeout is None else invocation_timeout
        self._started += 1
        name = check_execution_name(name or f"run-{self._started}")
        random = chance(f"{self.seed}/{self._started}")
        clock = VirtualClock()
        threads = SeededThreads(clock, RandomSchedule(f"{self.seed}/{name}/{schedule}"))
        service = host(MemoryStore(), clock, SeededIds(random), invocation_timeout=seconds)
        notes = partial(noting, self.modules) if watch is None else nullcontext  # explore() restores modules by itself
        sandboxes = Sandboxes(
            ServiceBackend(service),
            clock,
            threads,
            seconds,
            watch=watch,
            notes=notes,
            schedule=f"{self.seed}/{name}/{schedule}",
        )
        probe = PlainProbe() if watch is None else cast("Probe", watch)

        sightings = Sightings()

        def environment(loops: SandboxLoops | None, sights: Sights | None = None) -> Environment:
            return Environment(clock, random, probe=probe, threads=threads, loops=loops, sights=sights)

        def target(function: Callable[..., Any]) -> Target:
            loops = sandboxes.loops_of(function)
            return sandboxes.wrap_target(target_of(function, backend=sandboxes, environment=environment(loops)), loops)

        functions = {name: target(function) for name, function in self._functions.items()}
        loops = sandboxes.loops_of(self.handler)
        handler = sandboxes.wrap_invoker(
            invoker_of(self.handler, backend=sandboxes, environment=environment(loops, sightings)), loops
        )
        arn = (
            "arn:aws:lambda:us-east-1:123456789012:function:simulated:1/durable-execution/"
            f"{name}/{random.getrandbits(128):032x}"
        )
        service.start(arn, name, input_text(event))
        return SimulatedRun(
            service, clock, arn, handler, functions, threads=threads, on_end=sandboxes.close, sightings=sightings
        )


def _more_than_none(invocation_timeout: Duration) -> float:
    try:
        seconds = seconds_of(invocation_timeout)
    except (TypeError, ValueError) as problem:
        message = f"invocation_timeout: {problem}"
        raise ValidationError(message) from None
    if not seconds:
        message = "invocation_timeout must be more than 0 seconds"
        raise ValidationError(message)
    return seconds
