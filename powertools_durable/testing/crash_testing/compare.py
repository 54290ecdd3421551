"""Compares a run in which processes died with one in which none did."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from powertools_durable.testing.crash_testing.crash_points import Site
from powertools_durable.testing.crash_testing.effect_ledger import Entry
from powertools_durable.testing.crash_testing.run_outcome import (
    Outcome,
    counted,
    differing,
    end_of,
    facts_of,
    raced,
    records_of,
    shown,
)

__all__ = ["Deviation", "Judge", "changing_keys"]

_OWN = "powertools_durable"
_AGAIN = (
    "its body runs again when the process dies between the effect and the record of it. Give the receiver "
    "current_step().idempotency_key and record it with key=, or use StepSemantics.AT_MOST_ONCE and handle "
    "StepInterruptedError"
)
_OUTSIDE = "it is made outside of any step, so each replay makes it again. Move it into ctx.step(...)"
_NEW_KEY = "the receiver can't recognise it. Use current_step().idempotency_key"
_SWALLOWED = (
    "swallows the signal that suspends the execution: what follows runs at each suspension, not once. Write "
    "'except Exception:', which lets it pass"
)
_UNWINDING = (
    "is called while a suspension passes through, as it does through finally blocks, and does nothing then. Use "
    "ctx.defer(...) or ctx.saga() for what must happen at the execution's end"
)
_KEPT = (
    "the code keeps something in memory, and a replay after a suspension does not have it. Return it from a step, and "
    "use what ctx.step(...) returns"
)
_IDENTITY = ("type", "name", "parent")
_ASKED_AT = re.compile(r".* at (?P<location>.+:\d+) in \S+ was not recorded$")
_MISMATCH = re.compile(
    r"(?P<operation>.+?) at (?P<location>.+?:\d+) is not what this execution recorded there: "
    r"(?P<what>.*?)\. The code changed"
)


class Deviation(NamedTuple):
    """Something that a crash changed, or that would break after one.

    Differences of one kind at one place have one cause. All that says "the code went another way" has one, wherever
    it shows.
    """

    operation: str
    location: str
    words: str
    kind: str


class Judge:
    """Knows what comes of the handler when nothing crashes.

    What differs between two such runs, which find the same surroundings, is chance that can't be held still; it is
    not compared.

    Parameters
    ----------
    expected : Outcome
        Of a run without crashes.
    again : Outcome
        Of another one.
    home : str
        ``file:line`` of the handler.
    """

    def __init__(self, expected: Outcome, again: Outcome, home: str) -> None:
        self._expected = expected
        self._home = home
        self._loose = {path for path, _, _ in differing(facts_of(expected), facts_of(again))}
        self._lines = expected.lines & again.lines

    def alone(self) -> Iterator[Deviation]:
        """Yield what is wrong with the run without crashes."""
        expected, watcher = self._expected, self._expected.watcher
        if _went_another_way(expected):
            yield _mismatch(expected, self._home)
        for location in sorted(watcher.swallows):
            yield Deviation("the handler", location, _SWALLOWED, "swallowed")
        for location, call in sorted(watcher.unwinding.items()):
            yield Deviation(f"ctx.{call}()", location, _UNWINDING, "unwinding")
        for (effect, location), times in Counter(_outside(expected)).items():
            if times > 1:
                words = f"effect {effect!r} happens {times} times without any crash: {_OUTSIDE}"
                yield Deviation("the handler", location, words, "effect")
        yield from _leftovers(expected, self._home)

    def differences(self, outcome: Outcome) -> Iterator[Deviation]:
        """Yield what is different in *outcome*, the most telling first."""
        if _went_another_way(outcome):
            yield _mismatch(outcome, self._home)
            return
        if outcome.stuck:
            operation, location = _last_place(outcome)
            yield Deviation(operation, location or self._home, outcome.stuck, "stuck")
            return
        yield from _recomputed(outcome)
        yield from self._effects(outcome, more=True)
        if step := self._interrupted(outcome):  # and the code may deal with that as it likes, if it does
            if outcome.status != self._expected.status:
                words = f"the execution is {outcome.status}: nothing handles that it was interrupted"
                yield Deviation(step.label, step.location, words, "record")
            return
        found = [*self._records(outcome)] or [*self._effects(outcome, more=False)] or [*self._end(outcome)]
        yield from found
        if not found:
            yield from self._lost_lines(outcome)
            yield from _leftovers(outcome, self._home)

    def without_replay(self, outcome: Outcome) -> Iterator[Deviation]:
        """Yield what is different in a run that was never replayed.

        Without suspensions time stands still, so what was still open at the end of one run may have ended in the other.
        """
        still_open = {
            record.id
            for run in (self._expected, outcome)
            for record in run.records.values()
            if not record.status.is_terminal
        }
        found = [*self._records(outcome, but=still_open)] or [*self._end(outcome)]
        for operation, location, words, _ in found:
            yield Deviation(operation, location, f"without any suspension, {words}: {_KEPT}", "memory")

    def _interrupted(self, outcome: Outcome) -> Site | None:
        """Return an at-most-once step that failed because a process died inside of it."""
        for identifier, record in outcome.records.items():
            if record.error is not None and record.error.error_type == "StepInterruptedError":
                return self._site(outcome, identifier)
        return None

    # -- effects ---------------------------------------------------------------------------------------------

    def _effects(self, outcome: Outcome, *, more: bool) -> Iterator[Deviation]:
        """Yield effects that happen more often than without crashes; or less often."""
        expected, found = counted(self._expected.effects), counted(outcome.effects)
        for effect in sorted({*expected, *found}):
            before, now = expected[effect].total(), found[effect].total()
            if now == before or (now > before) is not more:
                continue
            entry, why = self._excess(outcome, effect) if more else (_last(self._expected, effect), "it is lost")
            words = f"effect {effect!r} happens {_times(now)} in place of {_times(before)}: {why}"
            yield Deviation(self._site(outcome, entry.operation_id).label, entry.location, words, "effect")

    def _excess(self, outcome: Outcome, effect: str) -> tuple[Entry, str]:
        """Return who does too much, and why that happens."""
        usual, now = counted(self._expected.effects)[effect], counted(outcome.effects)[effect]
        entries = [entry for entry in outcome.effects if entry.effect == effect and not entry.repeated]
        entry = next(entry for entry in entries if now[entry.operation_id] > usual[entry.operation_id])
        if entry.operation_id is None:
            return entry, _OUTSIDE
        return entry, _AGAIN if usual[entry.operation_id] else "it is made by a step that is not asked for otherwise"

    # -- records ---------------------------------------------------------------------------------------------

    def _records(self, outcome: Outcome, *, but: Collection[str] = ()) -> Iterator[Deviation]:
        """Yield the first record that differs; what follows from it would say nothing new."""
        expected, found = records_of(self._expected), records_of(outcome)
        for identifier in raced(self._expected) | raced(outcome) | set(but):
            expected.pop(identifier, None)
            found.pop(identifier, None)
        for identifier in (*expected, *(one for one in found if one not in expected)):
            before, now = expected.get(identifier), found.get(identifier)
            site = self._site(outcome, identifier)
            if before is None or now is None:
                words = "is recorded, and is not without crashes" if before is None else "is not recorded any more"
                yield Deviation(site.label, site.location, words, "path")
                return
            for path, one, other in differing(before, now, ("records", identifier)):
                if path not in self._loose:
                    if path[2] in _IDENTITY:
                        words = (
                            f"after the crash the code asks for {path[2]} {shown(other, one)}, not {shown(one, other)}"
                        )
                        yield Deviation(site.label, site.location, words, "path")
                    else:
                        words = f"its {path[2]} is {shown(other, one)} in place of {shown(one, other)}"
                        yield Deviation(site.label, site.location, words, "record")
                    return

    def _site(self, outcome: Outcome, identifier: str | None) -> Site:
        """Return where an operation is asked for; of a branch, where its fan-out is."""
        sites = {**self._expected.watcher.sites, **outcome.watcher.sites}
        return sites.get(identifier or "") or Site("the handler", self._home, None)

    def _end(self, outcome: Outcome) -> Iterator[Deviation]:
        for path, one, other in differing(end_of(self._expected), end_of(outcome)):
            if path not in self._loose:
                where = ".".join(map(str, path))
                differ = f"{shown(other, one)} in place of {shown(one, other)}"
                words = f"the execution's {where} is {differ}, though no record differs"
                yield Deviation("the handler", self._home, words, "end")
                return

    def _lost_lines(self, outcome: Outcome) -> Iterator[Deviation]:
        for name, level, text in self._lines - outcome.lines:
            if not name.startswith(_OWN) and (name, level, text) not in outcome.lines:
                yield Deviation(f"logger {name!r}", self._home, f"the line {level} {text[:80]!r} is lost", "line")


def changing_keys(one: Outcome, other: Outcome) -> Iterator[Deviation]:
    """Yield effects whose key depends on chance or on the clock: the receiver would not recognise them."""
    keys = Counter((entry.effect, entry.operation_id, entry.key) for entry in one.effects)
    for entry in other.effects:
        if entry.key is not None and (entry.effect, entry.operation_id, entry.key) not in keys:
            words = f"effect {entry.effect!r} has another key in each attempt: {_NEW_KEY}"
            yield Deviation(one.watcher.site(entry.operation_id).label, entry.location, words, "key")


def _outside(outcome: Outcome) -> Iterator[tuple[str, str]]:
    for entry in outcome.effects:
        if entry.operation_id is None and entry.inside and not entry.repeated:
            yield entry.effect, entry.location


def _recomputed(outcome: Outcome) -> Iterator[Deviation]:
    for identifier in sorted(outcome.watcher.recomputed):
        site = outcome.watcher.site(identifier)
        yield Deviation(site.label, site.location, "its body runs again though its result was acknowledged", "again")


def _leftovers(outcome: Outcome, home: str) -> Iterator[Deviation]:
    for name, _, text in outcome.lines:
        if name.startswith(_OWN) and "without asking for recorded operations" in text:
            words = text.partition(". It changed")[0]
            yield Deviation("the handler", _asked_at(outcome, words) or home, words, "path")


def _asked_at(outcome: Outcome, words: str) -> str:
    """Return the line, with folders, at which an operation was asked for in place of one that is recorded."""
    at = _ASKED_AT.match(words)
    sites = (site.location for site in outcome.watcher.sites.values())
    return next((one for one in sites if at is not None and one.endswith(f"{os.sep}{at['location']}")), "")


def _went_another_way(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.error_type == "NonDeterminismError"


def _mismatch(outcome: Outcome, home: str) -> Deviation:
    text = (outcome.error.error_message if outcome.error else None) or ""
    found = _MISMATCH.match(text)
    if found is None:
        return Deviation("the handler", home, text, "path")
    words = f"when it is replayed, the code asks for something else: {found['what']}"
    location = outcome.watcher.mismatches.get(text) or found["location"]
    return Deviation(found["operation"], location, words, "path")


def _last_place(outcome: Outcome) -> tuple[str, str]:
    point = next((p for p in reversed(outcome.watcher.points) if p.location), None)
    return (point.operation or "the handler", point.location) if point else ("the handler", "")


def _last(outcome: Outcome, effect: str) -> Entry:
    return next(entry for entry in reversed(outcome.effects) if entry.effect == effect)


def _times(count: int) -> str:
    return "once" if count == 1 else "never" if count == 0 else f"{count} times"
