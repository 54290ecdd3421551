"""What the page is told of an execution, as JSON. `template.html` says the same in its script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from powertools_durable._report.metering import usage_of
from powertools_durable._report.prices import RETENTION, Bill, price_of
from powertools_durable._timeline import Attempt, Counts, Failure, Invocation, Operation, Timeline

__all__ = ["describe"]

Fields = dict[str, Any]

# The kinds of moments, as the script numbers them.
_START, _END, _INVOKED, _SUSPENDED, _OPENED, _CLOSED, _TRIED, _RETRIED = range(8)


def describe(timeline: Timeline, *, values: bool) -> Fields:
    """Return what the page is told of *timeline*.

    Parameters
    ----------
    timeline : Timeline
        The execution.
    values : bool
        Tell the payloads too.
    """
    operations = list(_flat(timeline.operations, -1))
    moments = _Moments(timeline, [operation for operation, _ in operations])
    usage = usage_of(timeline)
    return _without_none(
        {
            "name": timeline.name,
            "arn": timeline.arn,
            "status": timeline.status,
            "started": _ms(timeline.started),
            "until": _ms(timeline.until),
            "ended": _ms(timeline.ended) if timeline.ended else None,
            "events": timeline.events,
            "inputBytes": timeline.input_bytes,
            "resultBytes": timeline.result_bytes,
            "input": timeline.input if values else None,
            "result": timeline.result if values else None,
            "values": values,
            "failure": _failure(timeline.failure),
            "usage": {"operations": usage.operations, "written": usage.written},
            "bill": _bill(price_of(usage)),
            "invocations": [_invocation(one, moments) for one in timeline.invocations],
            "operations": _abandoned(
                [_operation(one, above, moments, values=values) for one, above in operations], moments
            ),
            "moments": moments.rows,
        }
    )


def _flat(operations: tuple[Operation, ...], above: int) -> Iterator[tuple[Operation, int]]:
    """Yield all operations with the index of the one around each; a parent before its children."""
    stack = [(operation, above) for operation in reversed(operations)]
    index = 0
    while stack:
        operation, above = stack.pop()
        yield operation, above
        stack += [(child, index) for child in reversed(operation.children)]
        index += 1


class _Moments:
    """Everything that happened, in order: what the scrubber moves through, and the scale of the compressed axis."""

    def __init__(self, timeline: Timeline, operations: list[Operation]) -> None:
        self._index: dict[tuple[int, int, int], int] = {}
        events = sorted(_moments(timeline, operations), key=lambda one: one[0])
        self.rows: list[list[float | int]] = []
        latest = 0.0
        for number, (_, time, kind, which, attempt) in enumerate(events):
            latest = max(latest, _ms(time) - _ms(timeline.started))  # clocks of several machines differ a little
            self.rows.append([round(latest, 3), kind, which, attempt])
            self._index[kind, which, attempt] = number
        self._which = {id(operation): index for index, operation in enumerate(operations)}

    def of(self, kind: int, which: int, attempt: int = 0) -> int | None:
        return self._index.get((kind, which, attempt))

    def number(self, operation: Operation) -> int:
        return self._which[id(operation)]


_Moment = tuple[tuple[float, int], datetime, int, int, int]


def _moments(timeline: Timeline, operations: list[Operation]) -> Iterator[_Moment]:
    yield (0, 0), timeline.started, _START, 0, 0
    begun = _first_events(timeline, operations)
    for one in timeline.invocations:
        yield (begun[one.number], 0), one.started, _INVOKED, one.number, 0
        if one.ended is not None:
            yield (one.last_event or begun[one.number], 1), one.ended, _SUSPENDED, one.number, 0
    for index, operation in enumerate(operations):
        yield (operation.first_event, 0), operation.started, _OPENED, index, 0
        for attempt in operation.attempts:
            if attempt.number > 1:
                since = attempt.first_event or begun.get(attempt.invocation, operation.first_event)
                yield (since, 1), attempt.started, _TRIED, index, attempt.number
            if attempt.retry_at is not None and attempt.ended is not None:
                yield (attempt.last_event, 1), attempt.ended, _RETRIED, index, attempt.number
        if operation.ended is not None:
            yield (operation.last_event, 2), operation.ended, _CLOSED, index, 0
    if timeline.ended is not None:
        yield (timeline.events + 1, 0), timeline.ended, _END, 0, 0


def _first_events(timeline: Timeline, operations: list[Operation]) -> dict[int, float]:
    """Return after which event each invocation began: no event of a history says so."""
    first: dict[int, float] = {}
    for operation in operations:
        starts = [(operation.invocation, operation.first_event)]
        starts += [(attempt.invocation, attempt.first_event) for attempt in operation.attempts if attempt.first_event]
        for invocation, event in starts:
            first[invocation] = min(first.get(invocation, event), event)
    begun, before = {}, 0.5
    for one in timeline.invocations:
        begun[one.number] = max(before, first.get(one.number, (one.last_event or timeline.events)) - 0.5)
        before = float(one.last_event or before)
    return begun


# -- parts ----------------------------------------------------------------------------------------------------


def _abandoned(rows: list[Fields], moments: _Moments) -> list[Fields]:
    """End what was open when the operation around it ended, or the execution.

    As in a map that needs only some of its branches, and in an execution that was stopped.
    """
    end = moments.of(_END, 0)
    for row in rows:  # each after the one around it
        to = rows[row["up"]].get("to") if row["up"] >= 0 else end
        if "to" in row or to is None:
            continue
        row |= {"to": to, "status": "ABANDONED"}
        if "counts" in row:
            succeeded, failed, *still_open = row["counts"]
            row["counts"] = [succeeded, failed, 0, 0, sum(still_open)]
        for attempt in row.get("attempts", ()):
            attempt.setdefault("to", to)
    return rows


def _operation(one: Operation, above: int, moments: _Moments, *, values: bool) -> Fields:
    index = moments.number(one)
    return _without_none(
        {
            "up": above,
            "id": one.id,
            "kind": one.kind.value,
            "label": one.label,
            "path": f"{one.path} #{one.number}" if one.number > 1 else one.path,
            "status": one.status,
            "from": moments.of(_OPENED, index),
            "to": moments.of(_CLOSED, index),
            "in": one.invocation,
            "due": _ms(one.due) if one.due else None,
            "attempts": [_attempt(each, index, moments) for each in one.attempts] or None,
            "parts": [_part(part) for part in one.parts] or None,
            "branches": one.branches,
            "counts": _counts(one.counts) if one.counts else None,
            "flat": one.is_virtual or None,
            "function": one.function,
            "inputBytes": one.input_bytes,
            "resultBytes": one.result_bytes,
            "input": one.input if values else None,
            "result": one.result if values else None,
            "failure": _failure(one.failure),
            "source": one.source,
        }
    )


def _counts(of: Counts) -> list[int]:
    return [of.succeeded, of.failed, of.running, of.waiting, of.abandoned]


def _attempt(one: Attempt, index: int, moments: _Moments) -> Fields:
    start = moments.of(_OPENED, index) if one.number == 1 else moments.of(_TRIED, index, one.number)
    end = moments.of(_RETRIED, index, one.number) if one.retry_at else None
    if end is None and one.ended is not None:
        end = moments.of(_CLOSED, index)
    return _without_none(
        {
            "n": one.number,
            "from": start,
            "to": end,
            "in": one.invocation,
            "retryAt": _ms(one.retry_at) if one.retry_at else None,
            "failure": _failure(one.failure),
        }
    )


def _part(one: Operation) -> Fields:
    return _without_none(
        {
            "label": one.label,
            "kind": one.kind.value,
            "status": one.status,
            "started": _ms(one.started),
            "ended": _ms(one.ended) if one.ended else None,
            "attempts": len(one.attempts) if len(one.attempts) > 1 else None,
            "failure": _failure(one.failure),
        }
    )


def _invocation(one: Invocation, moments: _Moments) -> Fields:
    return _without_none(
        {
            "n": one.number,
            "from": moments.of(_INVOKED, one.number),
            "to": moments.of(_SUSPENDED, one.number),
            "started": _ms(one.started),
            "ended": _ms(one.ended) if one.ended else None,
            "replayed": one.replayed,
            "request": one.request_id,
            "failure": _failure(one.failure),
        }
    )


def _failure(one: Failure | None) -> Fields | None:
    if one is None:
        return None
    return _without_none({"type": one.type, "text": one.text, "place": one.place, "stack": list(one.stack) or None})


def _bill(bill: Bill) -> Fields:
    return {
        "about": _rounded(bill.total),
        "total": _dollars(bill.total),
        "million": f"{bill.total * 1_000_000:,.2f}",
        "lines": [[line.label, line.quantity, line.rate, _dollars(line.amount)] for line in bill.lines],
        "region": bill.prices.region,
        "asOf": f"{bill.prices.as_of:%B} {bill.prices.as_of.day}, {bill.prices.as_of.year}",
        "source": bill.prices.source,
        "retention": RETENTION.days,
    }


def _dollars(amount: Decimal) -> str:
    """Return an amount with enough digits to see the smallest line."""
    return f"{amount:.8f}"


def _rounded(amount: Decimal) -> str:
    """Return an amount with three digits that count, and at least two after the point."""
    return f"{amount:,.{max(2, 2 - amount.adjusted())}f}"


def _ms(moment: datetime) -> float:
    return round(moment.timestamp() * 1_000, 3)


def _without_none(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if value is not None}
