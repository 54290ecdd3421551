"""What an exploration found, in words for people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from powertools_durable.errors import ValidationError
from powertools_durable.testing.crash_testing.compare import Deviation
from powertools_durable.testing.crash_testing.crash_points import CrashPlan, CrashPoint
from powertools_durable.testing.crash_testing.crash_report import Events, crash_report

__all__ = ["Exploration", "Failure"]

_NO_CRASH = "none is needed"
_MAY_BE_CHANCE = ("path", "record", "end", "memory")
_Sighting = tuple[tuple[int, int], str, Deviation]


class Failure(NamedTuple):
    """A crash that changes what comes out, or code that one will break.

    Attributes
    ----------
    crash_point : str
        When the process died, or the processes, in words.
    operation : str
        Which operation came out differently.
    location : str
        ``file:line`` in the user's code, empty where there is none.
    differed : str
        What differed, and what to do about it.
    """

    crash_point: str
    operation: str
    location: str
    differed: str


@dataclass
class Exploration:
    """What came of killing a handler's processes wherever they can die.

    Attributes
    ----------
    crash_points : tuple[CrashPoint, ...]
        The moments at which the process died, each in a run of its own.
    runs : int
        How many executions were run.
    warnings : list[str]
        What did no harm here, and may elsewhere.
    left_out : int
        How many runs with crashes were not made, because there were more than ``most``.
    seed : int
        What drew those that were made.
    causes : dict[str, str]
        ``file:line`` of what is asked outside of steps and says something else on each replay, and what is called.
    """

    name: str
    crash_points: tuple[CrashPoint, ...] = ()
    runs: int = 0
    warnings: list[str] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    seed: int = 0
    _found: dict[tuple[str, str], list[_Sighting]] = field(default_factory=dict)
    _clean: Events = field(default=(), repr=False)
    _crashed: dict[tuple[str, str], tuple[_Sighting, Events | None]] = field(default_factory=dict, repr=False)

    @property
    def failures(self) -> list[Failure]:
        """What does not survive: one failure for each cause, with the smallest crash plan that shows it."""
        return [self._failure(min(sightings)) for sightings in self._in_order()]

    def ran_clean(self, history: Events) -> None:
        """Note the history of the run without a crash."""
        self._clean = history

    def found(
        self, difference: Deviation, plan: CrashPlan, killed: Sequence[CrashPoint], history: Events | None = None
    ) -> None:
        """Note what *plan* shows, and the history of that run, unless no crash is needed to see it."""
        size = (len(killed) + bool(plan.changed), killed[0].number if killed else 0)
        cause = (difference.kind, "" if difference.kind == "path" else difference.location)
        sighting = (size, _in_words(plan, killed), difference)
        self._found.setdefault(cause, []).append(sighting)
        if cause not in self._crashed or sighting < self._crashed[cause][0]:
            self._crashed[cause] = sighting, history

    def _in_order(self) -> list[list[_Sighting]]:
        return sorted(self._found.values(), key=min)

    def assert_survives(self) -> None:
        """Pass if no crash changes anything.

        Raises
        ------
        AssertionError
            Says which operation differs, where it is called, and the smallest crash plan that shows it.
        """
        __tracebackhide__ = True
        if self._found:
            raise AssertionError(self.report())

    def report(self) -> str:
        """Return all that was found, for people."""
        runs = f"{self.runs} runs, {len(self.crash_points)} crash points"
        if self.left_out:
            runs += f", drawn by seed {self.seed}: {self.left_out} more runs were left out"
        if not self._found:
            return "\n".join([f"{self.name} survives: {runs}", *self._warned()])
        many = len(self._found)
        lines = [f"{self.name} does not survive: {many} failure{'s' * (many > 1)} in {runs}"]
        for number, sightings in enumerate(self._in_order(), start=1):
            plan, operation, location, differed = self._failure(min(sightings))
            others = len({plan for _, plan, _ in sightings}) - 1
            lines += ["", f"{number}. {operation}" + (f"  {location}" if location else ""), f"   {differed}"]
            lines += [f"   crash: {plan}" + (f" (and {others} more)" if others else "")]
        return "\n".join([*lines, *self._warned()])

    def save_report(self, path: str | Path, failure: int = 1) -> Path:
        """Write a failure to an HTML file: the run with the crash beside the one without; return the file's path.

        The file contains no payloads, and loads nothing.

        Parameters
        ----------
        path : str | Path
            Where to; a file that is there is replaced.
        failure : int
            Which of `failures`, from 1.

        Raises
        ------
        ValidationError
            There is no such failure.
        OSError
            The file can't be written.
        """
        ordered = self._in_order()
        if not 1 <= failure <= len(ordered):
            there_are = f"there are {len(ordered)}" if ordered else f"{self.name} survives"
            message = f"save_report(failure={failure!r}): no such failure; {there_are}"
            raise ValidationError(message)
        first = min(ordered[failure - 1])
        crash, operation, location, differed = self._failure(first)
        history = next(history for sighting, history in self._crashed.values() if sighting == first)
        place = f"{operation} at {location}" if location else operation
        file = Path(path)
        here = f"{Path.cwd()}{os.sep}"  # the report may be read elsewhere
        words = f"{place}: {differed}".replace(here, "")
        page = crash_report(self.name, f"Crash: {crash}", [words], self._clean, history)
        file.write_text(page, encoding="utf-8")
        return file

    def _failure(self, sighting: _Sighting) -> Failure:
        _, plan, difference = sighting
        words = difference.words
        if difference.kind in _MAY_BE_CHANCE and self.causes:
            asked = ", ".join(f"{name} at {location}" for location, name in list(self.causes.items())[:3])
            words += f". It may be because of what is asked outside of steps: {asked}"
        return Failure(plan, difference.operation, difference.location, words)

    def _warned(self) -> list[str]:
        return ["", *(f"warning: {warning}" for warning in self.warnings)] if self.warnings else []

    def __repr__(self) -> str:
        return f"<Exploration of {self.name}: {len(self._found)} failures in {self.runs} runs>"


def _in_words(plan: CrashPlan, killed: Sequence[CrashPoint]) -> str:
    changes = f"with another value of {', '.join(plan.changed)} after the first invocation" if plan.changed else ""
    if plan.restless:
        crash = (
            "killed after each operation" if plan.restless == 1 else f"killed after every {plan.restless} operations"
        )
        crash += ", in a warm sandbox" if plan.warm else ""
    else:
        crash = ", then ".join(f"killed {point}" for point in killed)
        crash += ", with its START sent" if plan.eager and killed else ""
    return ", ".join(filter(None, (crash, changes))) or _NO_CRASH
