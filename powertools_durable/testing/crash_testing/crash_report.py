"""The report of a failure: the run in which a process died, beside the one in which none did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from powertools_durable._report import Pair, render_pair
from powertools_durable._timeline import Operation, Timeline, read_events

__all__ = ["Events", "crash_report"]

Events = Sequence[dict[str, Any]]


def crash_report(title: str, crash: str, differences: Sequence[str], clean: Events, crashed: Events | None) -> str:
    """Return the HTML report of a failure. It contains no payloads.

    Parameters
    ----------
    title : str
        What was explored.
    crash : str
        When the process died.
    differences : Sequence[str]
        What differed.
    clean : Events
        The history of the run without a crash.
    crashed : Events | None
        The history of the run with it; None if none is needed to see the mistake.
    """
    expected = read_events(clean, values=True)
    found = read_events(crashed, values=True) if crashed is not None else None
    changed = tuple(_changed(expected, found)) if found is not None else ()
    return render_pair(Pair(title, crash, differences, expected, found, changed))


def _changed(expected: Timeline, found: Timeline) -> Iterator[str]:
    """Yield the ids of the operations that differ, also of those that only one of the runs has."""
    before = {operation.id: _outcome(operation) for operation in expected.walk()}
    after = {operation.id: _outcome(operation) for operation in found.walk()}
    yield from (one for one in before | after if before.get(one) != after.get(one))


def _outcome(operation: Operation) -> tuple[object, ...]:
    failure = operation.failure.text if operation.failure is not None else None
    return operation.kind, operation.path, operation.status, operation.result, failure, len(operation.attempts)
