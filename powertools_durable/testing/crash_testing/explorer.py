"""Kills a handler's process at every moment at which that can happen, and compares what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from powertools_durable._functions import innermost, location_of
from powertools_durable._protocol.operation import Operation
from powertools_durable._service.host import Host
from powertools_durable._service.naming import kind_of
from powertools_durable.errors import ValidationError
from powertools_durable.testing.argument_checks import expect
from powertools_durable.testing.crash_testing.budget import Budget, Progress
from powertools_durable.testing.crash_testing.chaos import Surroundings
from powertools_durable.testing.crash_testing.compare import Judge, changing_keys
from powertools_durable.testing.crash_testing.crash_points import CrashPlan, Watcher
from powertools_durable.testing.crash_testing.crash_report import Events
from powertools_durable.testing.crash_testing.effect_ledger import Ledger
from powertools_durable.testing.crash_testing.findings import Exploration
from powertools_durable.testing.crash_testing.module_globals import Globals
from powertools_durable.testing.crash_testing.run_outcome import Outcome
from powertools_durable.testing.crash_testing.static_checks import Inspector, unordered
from powertools_durable.testing.crash_testing.straight_host import straight_host, waits_side_by_side
from powertools_durable.testing.simulation.captured_output import exploring
from powertools_durable.testing.simulation.simulated_run import SimulatedCallback, SimulatedRun
from powertools_durable.testing.simulation.simulator import Simulator

__all__ = ["explore"]

_INSIDE = ("before the body", "after the effect", "after the body")
_TIMEOUT = "a timeout of asyncio ends the wait for a durable call"  # as the runtime logs it
_NO_TIMEOUT = 1e9  # seconds of an invocation in which waits pass, but take no time
_ENOUGH = 50  # invocations and pushes that any run may take beside what its length explains
_HOW_ANSWERED = " Callbacks are answered with callbacks={name: answer}, on the command line with --answer NAME=JSON"


def explore(
    handler: Callable[..., Any] | Simulator,
    event: object = None,
    *,
    ledger: Ledger | None = None,
    crashes: int = 1,
    callbacks: Mapping[str, Any] | None = None,
    most: int | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Run a handler again and again; in each run its process dies at another moment.

    It dies before and after every API call, before and after the body of every step, at every effect in the ledger,
    and at the end, before the answer. What it held in memory is gone then: its plain module globals are as after an
    import. The service and the ledger are what survives. Outside of steps, the clock, random numbers and, where the
    handler reads them, environment variables differ between invocations.

    In one more run no wait suspends the execution, so nothing is replayed. What differs there was kept in memory.

    In every run the result, the error, all records, the effects and the log lines must be those of a run without
    crashes.

    Parameters
    ----------
    handler : Callable | Simulator
        What `durable` made; as a `Simulator` when it invokes other functions or needs other settings.
    event : object
        The input.
    ledger : Ledger | None
        Where the handler's fakes write down what they do to the world outside.
    crashes : int
        How many processes die in one run: with 2, also all pairs of moments.
    callbacks : Mapping[str, object] | None
        What callbacks are answered with, by name: a value, or a function that takes the `SimulatedCallback` and
        answers it. Others time out.
    most : int | None
        How many runs with crashes are made at most, beside some that are always made. Of more, the simulator's seed
        draws which are made; the report says so, and another seed draws others. None makes all of them. It also bounds
        the crashes of a run that is killed again and again: after each operation, or, if there are more than *most*,
        at equal intervals.
    progress : Callable | None
        Called after each run as ``progress(made, planned)``; more may be planned on the way. If it raises, it is not
        called again.

    Returns
    -------
    Exploration
        What was found.

    Raises
    ------
    ValidationError
        An argument is wrong; or the execution does not end without crashes either: a callback has no answer here, for
        example; or something is explored or simulated on another thread.
    """
    if ledger is not None:
        expect(ledger, Ledger, "explore(ledger=...)", "a Ledger")
    if callbacks is not None:
        expect(callbacks, Mapping, "explore(callbacks=...)", "a mapping of names to answers")
    expect(crashes, int, "explore(crashes=...)", "a number of processes that die")
    if crashes < 1:
        message = f"crashes={crashes!r}: at least one process dies"
        raise ValidationError(message)
    if most is not None:
        expect(most, int, "explore(most=...)", "a number of runs")
        if most < 1:
            message = f"most={most!r}: at least one run is made"
            raise ValidationError(message)
    if progress is not None:
        expect(progress, Callable, "explore(progress=...)", "a function of two numbers")  # type: ignore[arg-type]
    simulator = handler if isinstance(handler, Simulator) else Simulator(handler)
    budget = Budget(most, simulator.seed, progress)
    return _Explorer(simulator, event, Ledger() if ledger is None else ledger, callbacks or {}, budget).explore(crashes)


class _Explorer:
    def __init__(
        self, simulator: Simulator, event: object, ledger: Ledger, callbacks: Mapping[str, Any], budget: Budget
    ) -> None:
        self._budget = budget
        self._simulator = simulator
        self._event = event
        self._ledger = ledger
        self._callbacks = callbacks
        self._surroundings = Surroundings(Globals(simulator.modules))
        self._longest = _ENOUGH
        self._struck: set[str] = set()  # what was logged of timeouts of asyncio
        self._home = location_of(simulator.handler) or ""
        self._history: Events = ()  # of the last run
        self._found = Exploration(innermost(simulator.handler).__qualname__)

    def explore(self, crashes: int) -> Exploration:
        with exploring(), self._surroundings, ExitStack() as at_the_end:
            at_the_end.callback(self._ledger.clear)
            expected = self._run(CrashPlan())
            self._must_have_ended(expected)
            self._found.ran_clean(self._history)
            goes_straight = not waits_side_by_side(self._history)
            again = self._run(CrashPlan(), schedule="again")
            with Inspector() as inspector:
                otherwise = self._run(CrashPlan(), salt="otherwise")
            self._longest = _ENOUGH + 4 * len(expected.watcher.points)
            self._judge = Judge(expected, again, self._home)
            self._look(expected, otherwise, inspector)
            others = list(_others(inspector, self._budget.interval(len(expected.watcher.acknowledged))))
            self._budget.plan(1 + len(others))
            started = self._try(CrashPlan(eager=True))
            inside = [point for point in started.watcher.points if point.moment.startswith(_INSIDE)]
            points = {CrashPlan((point.number,)): point for point in expected.watcher.points}
            points |= {CrashPlan((point.number,), eager=True): point for point in inside}
            chosen = self._budget.choose(points)
            outcomes = [self._try(plan) for plan in chosen]
            self._found.crash_points = tuple(points[plan] for plan in chosen)
            for plan in others:
                self._try(plan)
            for _ in range(crashes - 1):
                outcomes = [self._try(plan) for plan in self._budget.choose(_continued(outcomes))]
            if expected.invocations > 1 and goes_straight:
                self._compare_without_replay(expected)
        self._found.left_out, self._found.seed = self._budget.left_out, self._simulator.seed
        self._hint(inspector)
        self._found.warnings += self._budget.warnings
        return self._found

    def _look(self, expected: Outcome, otherwise: Outcome, inspector: Inspector) -> None:
        suspicions = (*inspector.deeds(), *unordered(self._simulator.handler))
        for difference in (*self._judge.alone(), *changing_keys(expected, otherwise), *suspicions):
            self._found.found(difference, expected.plan, ())
        if expected.status != "SUCCEEDED":
            kind = f" with {expected.error.error_type}" if expected.error is not None else ""
            self._found.warnings.append(
                f"without a crash the execution is {expected.status}{kind}; is that meant?{_unanswered(expected)}"
            )
        for location, operation in _twins(expected):
            self._found.warnings.append(
                f"{location}: several operations like {operation} have no name, and nothing tells them apart: two that "
                "change places in a later version would not be noticed. Give them names"
            )

    def _hint(self, inspector: Inspector) -> None:
        limits = dict(inspector.limits())
        self._found.causes = {
            location: ", ".join(source[location] for source in (inspector.asked, limits) if location in source)
            for location in inspector.asked | limits
        }
        for location, name in limits.items():
            self._found.warnings.append(
                f"{location}: {name} limits a durable call by the clock; that is not recorded, and begins anew in each "
                "invocation. Use ctx.race() with ctx.wait(), or the timeout= of the operation"
            )
        self._found.warnings += sorted(self._struck)
        for location, name in () if self._found.failures else inspector.asked.items():
            self._found.warnings.append(
                f"{location}: {name} is called outside of a step, and says something else on each replay"
            )
        if inspector.asked and self._surroundings.still:
            self._found.warnings.append(f"the clock was the same in all runs; {self._surroundings.still}")

    def _try(self, plan: CrashPlan) -> Outcome:
        outcome = self._run(plan)
        for difference in self._judge.differences(outcome):
            self._found.found(difference, plan, outcome.killed, self._history)
        return outcome

    def _compare_without_replay(self, expected: Outcome) -> None:
        """Run the handler once more in one invocation that is never replayed, if nothing else was found."""
        if self._found.failures:
            return  # a difference would have the same cause
        self._budget.plan(1)
        straight = self._run(CrashPlan(), is_straight=True)
        if straight.invocations == 1 and straight.status not in {"RUNNING", ""}:
            for difference in self._judge.without_replay(straight):
                self._found.found(difference, expected.plan, ())

    # -- one run ---------------------------------------------------------------------------------------------

    def _run(self, plan: CrashPlan, salt: str = "", schedule: str = "threads", *, is_straight: bool = False) -> Outcome:
        self._ledger.clear()
        self._found.runs += 1
        watcher = Watcher(plan, self._surroundings)
        run = self._simulator.prepare(
            self._event,
            "explored",
            host=partial(straight_host, self._callbacks) if is_straight else partial(Host, forgives_kills=True),
            chance=_Steady,
            watch=watcher,
            schedule=schedule,
            invocation_timeout=_NO_TIMEOUT if is_straight else None,
        )
        watcher.fingerprint = lambda: _fingerprint(run, self._ledger)
        self._surroundings.run(run.clock, salt)
        stuck = ""
        try:
            if is_straight:
                run.settle()
            else:
                self._push(run)
        except ValidationError as problem:
            stuck = str(problem)
        finally:
            run.close()
        self._budget.made()
        self._history = run.history()
        outcome = Outcome.of(run, watcher, self._ledger.entries, stuck)
        self._struck |= {
            text
            for name, _, text in outcome.lines
            if name.startswith("powertools_durable") and text.startswith(_TIMEOUT)
        }
        return outcome

    def _push(self, run: SimulatedRun) -> None:
        run.settle()
        answered: set[str] = set()
        for _ in range(self._longest):
            if run.status != "RUNNING":
                return
            if not self._answer(run, answered):
                before = (run.now, len(run.invocations))
                if (run.step().now, len(run.invocations)) == before:
                    break
        if run.status == "RUNNING":
            message = f"comes to no end: {run!r}"
            raise ValidationError(message)

    def _answer(self, run: SimulatedRun, answered: set[str]) -> bool:
        for name, answer in self._callbacks.items():
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

    def _must_have_ended(self, expected: Outcome) -> None:
        if expected.stuck:
            message = f"{self._found.name} {expected.stuck}.{_HOW_ANSWERED}"
            raise ValidationError(message)


class _Steady(Random):
    """Jitter that is always the same, so that no moment depends on how many requests were made before."""

    def __init__(self, _seed: str) -> None:
        super().__init__("the same ARN and the same ids in each run")

    def random(self) -> float:
        return 0.5


def _others(inspector: Inspector, interval: int) -> Iterator[CrashPlan]:
    yield CrashPlan(restless=interval)
    yield CrashPlan(restless=interval, warm=True)
    for variable in inspector.variables:
        yield CrashPlan(restless=interval, changed=(variable,))


def _continued(outcomes: Sequence[Outcome]) -> Iterator[CrashPlan]:
    """Yield plans with one more crash, once for each state that the last one left: what follows depends on no more."""
    seen = set()
    for outcome in outcomes:
        kills = outcome.plan.kills
        if len(outcome.killed) == len(kills) and outcome.watcher.state not in seen:
            seen.add(outcome.watcher.state)
            yield from (
                replace(outcome.plan, kills=(*kills, n)) for n in range(kills[-1] + 1, len(outcome.watcher.points))
            )


def _fingerprint(run: SimulatedRun, ledger: Ledger) -> object:
    records = tuple((r.id, r.status, r.attempts) for r in run.operations)
    effects = tuple((e.effect, e.operation_id, e.attempt, e.repeated) for e in ledger)
    return run.status, records, effects


def _unanswered(expected: Outcome) -> str:
    """Say how callbacks are answered, when the execution failed because one was not."""
    if expected.error is None or expected.error.error_type != "CallbackTimeoutError":
        return ""
    return _HOW_ANSWERED


def _twins(expected: Outcome) -> Iterator[tuple[str, str]]:
    """Yield operations without a name that have a neighbour of the same kind without one."""
    groups: dict[tuple[object, ...], list[Operation]] = {}
    for record in expected.records.values():
        if record.name is None:
            groups.setdefault((record.parent_id, record.type, record.sub_type), []).append(record)
    for twins in groups.values():
        if len(twins) > 1:
            site = expected.watcher.site(twins[0].id)
            yield site.location, site.label if site.location else f"{kind_of(twins[0].type, twins[0].sub_type)} #1"
