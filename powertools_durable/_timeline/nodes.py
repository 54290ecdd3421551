"""What `TimelineReader` keeps of an operation while it reads: changed by events, and frozen for a `Timeline`.

A frozen operation is kept until the node or something in it changes, so a timeline of a long execution shares nearly
all of it with the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from powertools_durable._service.naming import FAN_OUTS, Kind, NamedPlace
from powertools_durable._timeline.failure import TimelineFailure
from powertools_durable._timeline.model import OPEN, Counts, TimelineAttempt, TimelineOperation

__all__ = ["Node"]


class Node:
    """One operation.

    Parameters
    ----------
    place : NamedPlace
        Where it is.
    above : Node | None
        The operation that contains it.
    started : datetime
        When it started.
    invocation : int
        The number of the invocation in which it did.
    """

    __slots__ = (
        "_frozen",
        "above",
        "attempts",
        "branches",
        "children",
        "due",
        "ended",
        "failure",
        "first_event",
        "function",
        "input",
        "input_bytes",
        "invocation",
        "is_virtual",
        "last_event",
        "place",
        "replayable",
        "result",
        "result_bytes",
        "source",
        "started",
        "status",
    )

    def __init__(self, place: NamedPlace, above: Node | None, started: datetime, invocation: int) -> None:
        self.place = place
        self.above = above
        self.started = started
        self.invocation = invocation
        self.first_event = self.last_event = 0
        self.status = "STARTED"
        self.ended: datetime | None = None
        self.due: datetime | None = None
        self.attempts: list[TimelineAttempt] = []
        self.children: list[Node] = []
        self.failure: TimelineFailure | None = None
        self.function: str | None = None
        self.input: str | None = None
        self.input_bytes: int | None = None
        self.result: str | None = None
        self.result_bytes: int | None = None
        self.branches: int | None = None
        self.source: str | None = None
        self.is_virtual = False
        self.replayable = 0  # operations in it that the next invocation only reads
        self._frozen: TimelineOperation | None = None
        if above is not None:
            above.children.append(self)

    def changed(self) -> None:
        """Forget what was frozen of it, and of the operations around it."""
        node: Node | None = self
        while node is not None:
            node._frozen = None  # noqa: SLF001 - same class
            node = node.above

    def ended_by(self, status: str, now: datetime) -> int:
        """End it; return by how much the number of operations that the next invocation reads has grown."""
        self.status, self.ended, self.due = status, now, None
        grown = 1 - self.replayable
        node: Node | None = self
        while node is not None and (node is self or node.ended is None):
            node.replayable += grown
            node = node.above
        return grown if node is None else 0

    # -- freezing ------------------------------------------------------------------------------------------

    def frozen(self) -> TimelineOperation:
        """Return it as it is now."""
        if self._frozen is None:
            self._frozen = self._freeze()
        return self._frozen

    def _freeze(self) -> TimelineOperation:
        place = self.place
        inner = tuple(child.frozen() for child in self.children)
        parts: tuple[TimelineOperation, ...] = ()
        kind, attempts, due, failure = place.kind, tuple(self.attempts), self.due, self.failure
        if kind is Kind.WAIT_FOR_CALLBACK:
            parts, inner = inner, ()
            due = _earliest(parts)
        elif kind is Kind.CONTEXT and (waits := _backoffs(place.name, inner)):
            kind, parts = Kind.WITH_RETRY, waits
            inner = tuple(one for one in inner if one not in waits)
            attempts = tuple(_attempts_between(self, inner, waits))
            due = waits[-1].due if waits[-1].is_open else None
        status, ended, last_event = self.status, self.ended, self.last_event
        if self.is_virtual:
            status, ended = _status_of_branch(inner)
            last_event = max(one.last_event for one in inner) if ended is not None else 0
            failure = inner[-1].failure if status not in OPEN and inner[-1].has_failed else None
        return TimelineOperation(
            id=place.id,
            kind=kind,
            name=place.name,
            label=place.label,
            path=place.path,
            number=place.number,
            status=status,
            started=self.started,
            ended=ended,
            invocation=self.invocation,
            first_event=self.first_event,
            last_event=last_event,
            attempts=attempts,
            due=due,
            children=inner,
            parts=parts,
            branches=self.branches or _branches(kind, inner, has_ended=ended is not None),
            counts=_count(inner, has_ended=ended is not None) if kind in FAN_OUTS else None,
            is_virtual=self.is_virtual,
            function=self.function,
            input_bytes=self.input_bytes,
            result_bytes=self.result_bytes,
            input=self.input,
            result=self.result,
            failure=failure,
            source=self.source,
        )


def _earliest(parts: tuple[TimelineOperation, ...]) -> datetime | None:
    return min((part.due for part in parts if part.is_open and part.due), default=None)


def _status_of_branch(inner: tuple[TimelineOperation, ...]) -> tuple[str, datetime | None]:
    """Return the status of a FLAT branch, and when it ended, by its operations: it has no record of its own."""
    if any(one.is_open for one in inner):
        return "STARTED", None
    last = max((one.ended for one in inner if one.ended), default=None)
    return ("SUCCEEDED" if inner[-1].status == "SUCCEEDED" else "FAILED"), last


def _branches(kind: Kind, inner: tuple[TimelineOperation, ...], *, has_ended: bool) -> int | None:
    """Return how many branches a fan-out has: no history says so, but one that waited for all has started all."""
    if kind not in FAN_OUTS or not has_ended or any(one.is_open for one in inner):
        return None
    return len(inner)


def _count(branches: tuple[TimelineOperation, ...], *, has_ended: bool) -> Counts:
    succeeded = failed = waiting = running = abandoned = 0
    for branch in branches:
        if branch.status == "SUCCEEDED":
            succeeded += 1
        elif branch.status not in OPEN:
            failed += 1
        elif has_ended:
            abandoned += 1
        elif branch.is_waiting:
            waiting += 1
        else:
            running += 1
    return Counts(succeeded, failed, running, waiting, abandoned)


# -- with_retry ------------------------------------------------------------------------------------------------


def _backoffs(name: str | None, inner: tuple[TimelineOperation, ...]) -> tuple[TimelineOperation, ...]:
    """Return the waits between the attempts of a ``with_retry``; no other context has waits with such names."""
    if name is None:
        return ()
    return tuple(one for one in inner if one.kind is Kind.WAIT and _is_backoff(one.name or "", name))


def _is_backoff(wait: str, context: str) -> bool:
    """Tell whether a wait is named ``<context>-backoff-<number>``; a long name of the context is cut."""
    before, mark, number = wait.rpartition("-backoff-")
    return bool(mark) and number.isdecimal() and context.startswith(before)


def _attempts_between(
    node: Node, inner: tuple[TimelineOperation, ...], waits: tuple[TimelineOperation, ...]
) -> Iterator[TimelineAttempt]:
    start, invocation = node.started, node.invocation
    for number, wait in enumerate(waits, 1):
        failed = [one.failure for one in inner if start <= one.started <= wait.started and one.has_failed]
        due = wait.due or wait.ended
        attempt = TimelineAttempt(number=number, started=start, invocation=invocation)
        yield replace(attempt, ended=wait.started, failure=failed[-1] if failed else None, retry_at=due)
        start, invocation = wait.ended or wait.started, wait.invocation
    if not waits[-1].is_open:
        yield TimelineAttempt(
            number=len(waits) + 1,
            started=start,
            ended=node.ended,
            failure=node.failure,
            invocation=next((one.invocation for one in inner if one.started >= start), invocation),
        )
