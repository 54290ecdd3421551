"""Compares a run in which processes died with one in which none did."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable.testing.crashes import CrashPlan, CrashPoint, Site, Watcher
from powertools_durable.testing.ledger import Entry
from powertools_durable.testing.run import SimulatedRun

__all__ = ["Difference", "Judge", "Outcome", "changing_keys"]

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
_IDENTITY = ("type", "name", "parent")
_MISMATCH = re.compile(
    r"(?P<operation>.+?) at (?P<location>.+?:\d+) is not what this execution recorded there: "
    r"(?P<what>.*?)\. The code changed"
)


class Difference(NamedTuple):
    """Something that a crash changed, or that would break after one.

    Differences of one kind at one place have one cause. All that says "the code went another way" has one, wherever
    it shows.
    """

    operation: str
    location: str
    words: str
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    plan: CrashPlan
    watcher: Watcher
    status: str
    result: Any
    error: ErrorObject | None
    records: Mapping[str, Operation]
    effects: Sequence[Entry]
    lines: Counter[tuple[str, str, str]]
    stuck: str = ""

    @classmethod
    def of(cls, run: SimulatedRun, watcher: Watcher, effects: Sequence[Entry], stuck: str = "") -> Outcome:
        """Take down what came of *run*."""
        lines = Counter((line.name, line.levelname, line.getMessage()) for line in run.logs)
        return cls(
            plan=watcher.plan,
            watcher=watcher,
            status=run.status,
            result=run.result,
            error=run.error,
            records={record.id: record for record in run.operations},
            effects=tuple(effects),
            lines=lines,
            stuck=stuck,
        )

    @property
    def killed(self) -> Sequence[CrashPoint]:
        """Where processes died."""
        return self.watcher.killed


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
        self._loose = {path for path, _, _ in _differing(_facts(expected), _facts(again))}
        self._lines = expected.lines & again.lines

    def alone(self) -> Iterator[Difference]:
        """Yield what is wrong with the run without crashes."""
        expected, watcher = self._expected, self._expected.watcher
        if _went_another_way(expected):
            yield _mismatch(expected, self._home)
        for location in sorted(watcher.swallows):
            yield Difference("the handler", location, _SWALLOWED, "swallowed")
        for location, call in sorted(watcher.unwinding.items()):
            yield Difference(f"ctx.{call}()", location, _UNWINDING, "unwinding")
        for (effect, location), times in Counter(_outside(expected)).items():
            if times > 1:
                words = f"effect {effect!r} happens {times} times without any crash: {_OUTSIDE}"
                yield Difference("the handler", location, words, "effect")
        yield from _leftovers(expected, self._home)

    def differences(self, outcome: Outcome) -> Iterator[Difference]:
        """Yield what is different in *outcome*, the most telling first."""
        if _went_another_way(outcome):
            yield _mismatch(outcome, self._home)
            return
        if outcome.stuck:
            operation, location = _last_place(outcome)
            yield Difference(operation, location or self._home, outcome.stuck, "stuck")
            return
        yield from _recomputed(outcome)
        yield from self._effects(outcome, more=True)
        found = [*self._records(outcome)] or [*self._effects(outcome, more=False)] or [*self._end(outcome)]
        yield from found
        if not found:
            yield from self._lost_lines(outcome)
            yield from _leftovers(outcome, self._home)

    # -- effects ---------------------------------------------------------------------------------------------

    def _effects(self, outcome: Outcome, *, more: bool) -> Iterator[Difference]:
        """Yield effects that happen more often than without crashes; or less often."""
        expected, found = _counted(self._expected.effects), _counted(outcome.effects)
        for effect in sorted({*expected, *found}):
            before, now = expected[effect].total(), found[effect].total()
            if now == before or (now > before) is not more:
                continue
            entry, why = self._excess(outcome, effect) if more else (_last(self._expected, effect), "it is lost")
            words = f"effect {effect!r} happens {_times(now)} in place of {_times(before)}: {why}"
            yield Difference(self._site(outcome, entry.operation_id).label, entry.location, words, "effect")

    def _excess(self, outcome: Outcome, effect: str) -> tuple[Entry, str]:
        """Return who does too much, and why that happens."""
        usual, now = _counted(self._expected.effects)[effect], _counted(outcome.effects)[effect]
        entries = [entry for entry in outcome.effects if entry.effect == effect and not entry.repeated]
        entry = next(entry for entry in entries if now[entry.operation_id] > usual[entry.operation_id])
        if entry.operation_id is None:
            return entry, _OUTSIDE
        return entry, _AGAIN if usual[entry.operation_id] else "it is made by a step that is not asked for otherwise"

    # -- records ---------------------------------------------------------------------------------------------

    def _records(self, outcome: Outcome) -> Iterator[Difference]:
        """Yield the first record that differs; what follows from it would say nothing new."""
        expected, found = _records(self._expected), _records(outcome)
        for identifier in (*expected, *(one for one in found if one not in expected)):
            before, now = expected.get(identifier), found.get(identifier)
            site = self._site(outcome, identifier)
            if before is None or now is None:
                words = "is recorded, and is not without crashes" if before is None else "is not recorded any more"
                yield Difference(site.label, site.location, words, "path")
                return
            for path, one, other in _differing(before, now, ("records", identifier)):
                if path not in self._loose:
                    if path[2] in _IDENTITY:
                        words = f"after the crash the code asks for {path[2]} {_shown(other)}, not {_shown(one)}"
                        yield Difference(site.label, site.location, words, "path")
                    else:
                        words = f"its {path[2]} is {_shown(other)} in place of {_shown(one)}"
                        yield Difference(site.label, site.location, words, "record")
                    return

    def _site(self, outcome: Outcome, identifier: str | None) -> Site:
        """Return where an operation is asked for; of a branch, where its fan-out is."""
        sites = {**self._expected.watcher.sites, **outcome.watcher.sites}
        return sites.get(identifier or "") or Site("the handler", self._home, None)

    def _end(self, outcome: Outcome) -> Iterator[Difference]:
        for path, one, other in _differing(_end(self._expected), _end(outcome)):
            if path not in self._loose:
                where = ".".join(map(str, path))
                words = (
                    f"the execution's {where} is {_shown(other)} in place of {_shown(one)}, though no record differs"
                )
                yield Difference("the handler", self._home, words, "end")
                return

    def _lost_lines(self, outcome: Outcome) -> Iterator[Difference]:
        for name, level, text in self._lines - outcome.lines:
            if not name.startswith(_OWN) and (name, level, text) not in outcome.lines:
                yield Difference(f"logger {name!r}", self._home, f"the line {level} {text[:80]!r} is lost", "line")


def changing_keys(one: Outcome, other: Outcome) -> Iterator[Difference]:
    """Yield effects whose key depends on chance or on the clock: the receiver would not recognise them."""
    keys = {_identity(entry): entry.key for entry in one.effects}
    for entry in other.effects:
        if entry.key is not None and keys.get(_identity(entry), entry.key) != entry.key:
            words = f"effect {entry.effect!r} has another key in each attempt: {_NEW_KEY}"
            yield Difference(one.watcher.site(entry.operation_id).label, entry.location, words, "key")


def _outside(outcome: Outcome) -> Iterator[tuple[str, str]]:
    for entry in outcome.effects:
        if entry.operation_id is None and entry.inside and not entry.repeated:
            yield entry.effect, entry.location


def _recomputed(outcome: Outcome) -> Iterator[Difference]:
    for identifier in sorted(outcome.watcher.recomputed):
        site = outcome.watcher.site(identifier)
        yield Difference(site.label, site.location, "its body runs again though its result was acknowledged", "again")


def _leftovers(outcome: Outcome, home: str) -> Iterator[Difference]:
    for name, _, text in outcome.lines:
        if name.startswith(_OWN) and "without asking for recorded operations" in text:
            yield Difference("the handler", home, text.partition(". It changed")[0], "path")


def _went_another_way(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.error_type == "NonDeterminismError"


def _mismatch(outcome: Outcome, home: str) -> Difference:
    text = (outcome.error.error_message if outcome.error else None) or ""
    found = _MISMATCH.match(text)
    if found is None:
        return Difference("the handler", home, text, "path")
    words = f"when it is replayed, the code asks for something else: {found['what']}"
    return Difference(found["operation"], found["location"], words, "path")


def _last_place(outcome: Outcome) -> tuple[str, str]:
    point = next((p for p in reversed(outcome.watcher.points) if p.location), None)
    return (point.operation or "the handler", point.location) if point else ("the handler", "")


# ---------------------------------------------------------------------------------------------- comparing values


def _identity(entry: Entry) -> tuple[str, str | None]:
    return entry.effect, entry.operation_id


def _counted(effects: Sequence[Entry]) -> defaultdict[str, Counter[str | None]]:
    """Count what happened, for each effect by the operation that did it."""
    counted: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for entry in effects:
        if not entry.repeated:
            counted[entry.effect][entry.operation_id] += 1
    return counted


def _last(outcome: Outcome, effect: str) -> Entry:
    return next(entry for entry in reversed(outcome.effects) if entry.effect == effect)


def _records(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {identifier: _record(record) for identifier, record in outcome.records.items()}


def _record(record: Operation) -> dict[str, Any]:
    error = record.error
    return {
        "type": record.type.value,
        "name": record.name,
        "parent": record.parent_id,
        "status": record.status.value,
        "error": [error.error_type, error.error_message] if error is not None else None,
        "result": _value(record.result),
    }


def _end(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "status": outcome.status,
        "error": [error.error_type, error.error_message] if error is not None else None,
        "result": outcome.result,
    }


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {**_end(outcome), "records": _records(outcome)}


def _value(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        return text


_Path = tuple[Any, ...]


def _differing(one: Any, other: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any, Any]]:
    """Yield the innermost places in which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _differing(one[key], other[key], (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differing(*pair, (*path, index))
    elif type(one) is not type(other) or one != other:
        yield path, one, other


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _times(count: int) -> str:
    return "once" if count == 1 else "never" if count == 0 else f"{count} times"
