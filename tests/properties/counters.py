"""Counts what the executions of a suite came across: a fault that is never hit proves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.properties.changes import Change
from tests.properties.events import Answered, Asked, Began, Died, Ended, Page, Requested, Seen, Trace
from tests.properties.line_kinds import SWALLOWS
from tests.properties.programs import Line, Program, lines_of

_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"})
_BATCH = 250  # updates that fit into one request


def tallied(program: Program, trace: Trace, change: Change | None = None) -> Counter[str]:
    """Count, by ``what: which``."""
    tally: Counter[str] = Counter()
    tally[f"outcome: {trace.status}{' ' + trace.error if trace.error else ''}"] += 1
    if change is not None:
        detected = "detected" if trace.error == "NonDeterminismError" else "harmless"
        tally[f"change: {change.kind}, {detected}"] += 1
    tally.update(f"fault: {fault}" for fault in trace.faults)
    tally.update(_of_events(trace))
    tally.update(_gestures(program, trace))
    tally.update(_orphans(trace))
    return tally


def _of_events(trace: Trace) -> Iterator[str]:  # noqa: C901 - an arm for each event
    requests: dict[int, Requested] = {}
    pages = 0
    for event in trace.events:
        match event:
            case Asked():
                yield f"operation: {event.call or event.type}"
            case Requested():
                requests[event.number] = event
                if len(event.updates) == _BATCH:
                    yield "special: batch split"
            case Answered() if event.fault:
                for kind in {update["Type"] for update in requests[event.number].updates}:
                    yield f"fault of {kind}: {event.fault}"
            case Began():
                yield "special: invocation"
                pages = 1
            case Page():
                pages += 1
                if pages >= 3:
                    yield "special: page 3 or later"
            case Died():
                yield f"crash: {event.words.partition(' of ')[0]}"
            case _:
                pass


def _gestures(program: Program, trace: Trace) -> Iterator[str]:
    """Count gestures around what was asked for; and those through which a suspension passed."""
    lines = [line for line in lines_of(program) if line.gesture]
    if not lines:
        return
    asked: dict[str, str] = {}
    met: set[str] = set()
    for event in trace.events:
        match event:
            case Began():
                asked.clear()
            case Asked():
                asked[event.operation] = event.name
                met.add(event.name)
            case Seen():
                asked.pop(event.operation, None)
            case Ended() if event.answer == "PENDING":
                open_now = set(asked.values())
                yield from (
                    f"suspension through: {line.gesture}"
                    for line in lines
                    if line.gesture in SWALLOWS and _is_asked(line, open_now)
                )
            case _:
                pass
    yield from (f"gesture: {line.gesture}" for line in lines if _is_asked(line, met))


def _is_asked(line: Line, names: set[str]) -> bool:
    return any(name == line.name or name.startswith(f"{line.name}-") for name in names)


def _orphans(trace: Trace) -> Iterator[str]:
    """Count operations that were left behind below a context that ended; how deep below it."""
    parents: dict[str, str] = {}
    ended: set[str] = set()
    for event in trace.events:
        if isinstance(event, Began | Answered | Page):
            for record in event.operations:
                parents[record["Id"]] = record.get("ParentId") or ""
                if record["Status"] in _ENDED:
                    ended.add(record["Id"])
    for operation in parents.keys() - ended:
        depth, above = 1, parents[operation]
        while above and above not in ended:
            depth, above = depth + 1, parents.get(above, "")
        if above:
            yield f"orphan: {min(depth, 3)} deep"
