"""What came of a run, as values that can be compared."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, SubType
from powertools_durable.testing.crash_testing.crash_points import CrashPlan, CrashPoint, Watcher
from powertools_durable.testing.crash_testing.effect_ledger import Entry
from powertools_durable.testing.simulation.simulated_run import SimulatedRun

__all__ = ["Outcome", "counted", "differing", "end_of", "facts_of", "raced", "records_of", "shown"]

_LONG = 120  # characters of a value that a message shows

# As the tagged format, plain JSON and the form of large results write it:
# docs/contributing/protocol.md#batch-results, #large-results.
_UNENDED = re.compile(r'"status": ?(?:\{"t":"s","v":)?"STARTED"|"startedCount": ?[1-9]')

_MAY_TAKE = timedelta(hours=6)  # less than what `chaos.py` moves the clock by
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


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
    invocations: int = 0

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
            invocations=len(run.invocations),
        )

    @property
    def killed(self) -> Sequence[CrashPoint]:
        """Where processes died."""
        return self.watcher.killed


def _identity(entry: Entry) -> tuple[str, str | None]:
    return entry.effect, entry.operation_id


def counted(effects: Sequence[Entry]) -> defaultdict[str, Counter[str | None]]:
    """Count what happened, for each effect by the operation that did it."""
    counted: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for entry in effects:
        if not entry.repeated:
            counted[entry.effect][entry.operation_id] += 1
    return counted


def records_of(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return all records by id, without times and ids."""
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


def raced(outcome: Outcome) -> set[str]:
    """Return contexts that ended before all inside did, and what is inside: how far that came is a matter of luck."""
    records = outcome.records
    below = {record.id for record in records.values() if _cut_off(record)}
    for record in records.values():
        parent = records.get(record.parent_id or "")
        if parent is not None and parent.status.is_terminal and not record.status.is_terminal:
            below.add(parent.id)
    while more := {record.id for record in records.values() if record.parent_id in below} - below:
        below |= more
    return below


def _cut_off(record: Operation) -> bool:
    """Tell whether a fan-out's result tells of a branch that had not ended; its own record may say more by now."""
    is_fan_out = record.sub_type in {SubType.MAP, SubType.PARALLEL}
    return is_fan_out and _UNENDED.search(record.result or "") is not None


def end_of(outcome: Outcome) -> dict[str, Any]:
    """Return what the execution came to."""
    error = outcome.error
    return {
        "status": outcome.status,
        "error": [error.error_type, error.error_message] if error is not None else None,
        "result": outcome.result,
    }


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """Return all that is compared, besides effects and log lines."""
    return {**end_of(outcome), "records": records_of(outcome)}


def _value(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        return text


_Path = tuple[Any, ...]


def differing(one: Any, other: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any, Any]]:
    """Yield the innermost places in which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differing(one[key], other[key], (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, (*path, index))
    elif type(one) is not type(other) or (one != other and not _about_the_same_moment(one, other)):
        yield path, one, other


def _about_the_same_moment(one: object, other: object) -> bool:
    """Tell whether two texts are moments that lie close together: what a crash repeats takes virtual time again."""
    if not (isinstance(one, str) and isinstance(other, str) and _MOMENT.match(one) and _MOMENT.match(other)):
        return False
    try:
        apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return False
    return abs(apart) < _MAY_TAKE


def shown(value: object, beside: object) -> str:
    """Return a value as a message shows it: of a long one the part where it begins to differ from the one *beside*."""
    text = repr(value)
    if len(text) <= _LONG:
        return text
    same = next((at for at, (a, b) in enumerate(zip(text, repr(beside), strict=False)) if a != b), len(text))
    begins = max(0, same - _LONG // 3)
    part = text[begins : begins + _LONG]
    return f"{'...' if begins else ''}{part}{'...' if begins + len(part) < len(text) else ''}"
