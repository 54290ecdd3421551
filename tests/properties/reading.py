"""A trace read once, from the first event to the last: what the service had, what the process knew, and since when.

It knows of the protocol what its documents say, and nothing of the engine. Moments are the numbers of events.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.properties.events import (
    Answered,
    Asked,
    Began,
    BodyBegan,
    Died,
    Effect,
    Ended,
    Entered,
    Event,
    Line,
    Owed,
    Page,
    Requested,
    Seen,
    Trace,
)

__all__ = ["ENDED", "NEVER", "Execution", "Request", "readings"]

NEVER = math.inf
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"})
_REACHES = frozenset({Requested, Answered, Page, Effect, Ended})  # something outside
_BECOMES = {"START": "STARTED", "RETRY": "PENDING", "SUCCEED": "SUCCEEDED", "FAIL": "FAILED", "CANCEL": "CANCELLED"}


@dataclass(slots=True)
class Request:
    """A checkpoint and its answer; ``is_new`` when it is not one that the service had already."""

    at: int
    sent: Requested
    answered_at: float = NEVER
    answer: Answered | None = None
    is_new: bool = False

    @property
    def is_heard(self) -> bool:
        """The process has the answer."""
        return self.answer is not None and self.answer.answer in {"token", "none"}


@dataclass(slots=True)
class Record:
    """What the service has of an operation: by what was sent, and by what it told."""

    type: str
    status: str
    since: float
    retries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Start:
    """What was known where the body of an operation began."""

    at: int
    body: BodyBegan
    status: str
    attempt: int
    due: float


@dataclass(slots=True)
class Execution:
    """One execution of a trace: the traced one, or one that it invoked."""

    arn: str
    events: list[tuple[int, Event]] = field(default_factory=list)
    began: dict[int, tuple[int, Began]] = field(default_factory=dict)
    ended: dict[int, tuple[int, Ended]] = field(default_factory=dict)
    died: dict[int, int] = field(default_factory=dict)
    superseded: dict[int, int] = field(default_factory=dict)  # since when another runs, which this one may not know
    requests: list[Request] = field(default_factory=list)
    pages: list[tuple[int, Page]] = field(default_factory=list)
    asked: list[tuple[int, Asked]] = field(default_factory=list)
    owed: list[tuple[int, Owed]] = field(default_factory=list)
    entered: list[tuple[int, Entered]] = field(default_factory=list)
    bodies: list[Start] = field(default_factory=list)
    seen: list[tuple[int, Seen]] = field(default_factory=list)
    lines: list[tuple[int, Line]] = field(default_factory=list)
    effects: list[tuple[int, Effect]] = field(default_factory=list)
    # What the service has.
    records: dict[str, Record] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    ended_at: dict[str, int] = field(default_factory=dict)  # when the service had our word of an operation's end
    rebuilt: set[str] = field(default_factory=set)  # contexts that run again although they have ended
    updates: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # what was applied, in order
    open_wakers: dict[int, list[str]] = field(default_factory=dict)  # at the end of each invocation
    # What the service told, by invocation and operation: how it ended, and when the process knew.
    told: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def ancestors(self, operation: str) -> Iterator[str]:
        """Yield the contexts around an operation, the nearest first."""
        parents = self.parents
        while operation := parents.get(operation, ""):
            yield operation

    def ended_around(self, operation: str, moment: float) -> str:
        """Return a context around *operation* that had ended at that moment; empty when there is none."""
        ended_at, parents = self.ended_at, self.parents
        while operation := parents.get(operation, ""):
            if ended_at.get(operation, NEVER) < moment:
                return operation
        return ""

    def knows(self, moment: int, invocation: int) -> bool:
        """Tell whether *invocation* was then the newest: what a newer one does, one can not know."""
        return moment < self.superseded.get(invocation, NEVER)

    def below(self, contexts: set[str], operation: str) -> bool:
        """Tell whether *operation* lies below one of *contexts*, or is one."""
        return bool(contexts) and (operation in contexts or any(one in contexts for one in self.ancestors(operation)))

    def paths(self) -> dict[str, str]:
        """Return the names on the way to each operation: an id changes when code before it goes another way."""
        called = {asked.operation: asked.name or str(asked.position) for _, asked in self.asked}
        return {
            identifier: "/".join(called.get(one, "") for one in (identifier, *self.ancestors(identifier)))
            for identifier in called
        }

    def loaded(self, invocation: int) -> set[str] | None:
        """Return the ids that an invocation was told at its beginning; None when it did not read all pages."""
        _, began = self.began[invocation]
        told, marker = {record["Id"] for record in began.operations}, began.marker
        for _, page in self.pages:
            if page.invocation == invocation and page.answer == "page" and page.marker == marker:
                told.update(record["Id"] for record in page.operations)
                marker = page.following
        return None if marker else told

    @property
    def said_to_have_ended(self) -> dict[tuple[int, str], float]:
        """Since when the service had said to an invocation that an operation has ended."""
        said: dict[tuple[int, str], float] = {}
        tellings = [
            *((at, n, began.operations) for n, (at, began) in self.began.items()),
            *((at, page.invocation, page.operations) for at, page in self.pages),
            *((r.answered_at, r.sent.invocation, r.answer.operations) for r in self.requests if r.answer is not None),
        ]
        for at, invocation, records in tellings:
            for record in records:
                if record["Status"] in ENDED:
                    said.setdefault((invocation, record["Id"]), at)
        return said

    @property
    def cut_off(self) -> set[str]:
        """Fan-outs that were over before all their branches, or failed before."""
        fan_outs = {asked.operation for _, asked in self.asked if asked.sub_type in {"Map", "Parallel"}}
        return {seen.operation for _, seen in self.seen if seen.operation in fan_outs and (seen.cut_off or seen.error)}

    @property
    def had_peace(self) -> bool:
        """No process died, no request failed."""
        return (
            not self.died
            and all(ended.answer in {"PENDING", "SUCCEEDED", "FAILED"} for _, ended in self.ended.values())
            and all(request.answer is not None and request.answer.answer == "token" for request in self.requests)
        )


def readings(trace: Trace) -> dict[str, Execution]:
    """Read *trace*; one for each execution in it, by ARN, the traced one first."""
    executions: dict[str, Execution] = {}
    of_invocation: dict[int, _Reader] = {}
    readers: dict[str, _Reader] = {}
    current: _Reader | None = None
    for at, event in enumerate(trace.events):
        if type(event) is Began:
            current = readers.get(event.arn)
            if current is None:
                executions[event.arn] = Execution(event.arn)
                current = readers[event.arn] = _Reader(executions[event.arn])
            of_invocation[event.invocation] = current
        reader = of_invocation.get(event.invocation, current)
        if reader is not None:
            reader.take(at, event)
    return executions


class _Reader:
    """Reads the events of one execution."""

    def __init__(self, execution: Execution) -> None:
        self.to = execution
        self._requests: dict[int, Request] = {}
        self._applied: set[str] = set()
        self._unmerged: list[tuple[int, int, list[dict[str, Any]]]] = []
        self._wires: dict[int, dict[str, Any]] = {}
        self._take = {
            Began: self._began,
            Requested: self._requested,
            Answered: self._answered,
            Page: self._page,
            Asked: self._asked,
            BodyBegan: self._body,
            Died: self._died,
            Ended: self._ended,
        }
        self._lists: dict[type, list[Any]] = {
            Owed: execution.owed,
            Entered: execution.entered,
            Seen: execution.seen,
            Line: execution.lines,
            Effect: execution.effects,
        }

    def take(self, at: int, event: Any) -> None:
        """Take in an event, unless it is what a process does that is dead: that reaches nothing."""
        kind = type(event)
        if event.invocation in self.to.died and kind not in _REACHES:
            return
        found = self._lists.get(kind)
        if found is not None:
            found.append((at, event))
        elif (take := self._take.get(kind)) is not None:
            take(at, event)

    def _began(self, at: int, event: Began) -> None:
        for older in self.to.began:
            if older not in self.to.ended:
                self.to.superseded.setdefault(older, at)
        self.to.began[event.invocation] = (at, event)
        self.to.secrets.add(event.token)
        self._tell(at, event.invocation, event.operations)

    def _page(self, at: int, event: Page) -> None:
        self.to.pages.append((at, event))
        self._tell(at, event.invocation, event.operations)

    def _requested(self, at: int, event: Requested) -> None:
        self._merge(at)
        request = self._requests[event.number] = Request(at, event)
        self.to.requests.append(request)

    def _answered(self, at: int, event: Answered) -> None:
        request = self._requests[event.number]
        request.answered_at, request.answer = at, event
        sent = request.sent
        self.to.secrets.update(filter(None, (event.token, sent.client_token)))
        if event.applied and sent.client_token not in self._applied:
            self._applied.add(sent.client_token)
            request.is_new = True
            for update in sent.updates:
                self._apply(at, event.at, update)
        if request.is_heard:
            ends = [u for u in sent.updates if u["Action"] in {"SUCCEED", "FAIL"} and u["Type"] != "EXECUTION"]
            told = [{"Id": u["Id"], "Type": u["Type"], "Status": _BECOMES[u["Action"]]} for u in ends]
            if event.operations or told:
                # The process takes it in when it likes, but before it sends the next.
                self._unmerged.append((at, event.invocation, [*event.operations, *told]))
                self._note(at, event.operations)

    def _merge(self, at: int) -> None:
        if self._unmerged:
            for _, invocation, records in self._unmerged:
                self._know(at, invocation, records)
            self._unmerged = []

    def _apply(self, at: int, second: float, update: dict[str, Any]) -> None:
        identifier, action = update["Id"], update["Action"]
        to = self.to
        to.updates[identifier].append(action)
        if update["Type"] == "EXECUTION":
            return
        record = to.records.get(identifier)
        if record is None:
            record = to.records[identifier] = Record(update["Type"], "", at)
            to.parents[identifier] = update.get("ParentId") or ""
        record.status, record.since = _BECOMES[action], at
        if action == "RETRY":
            record.retries += 1
            record.due = second + update["StepOptions"]["NextAttemptDelaySeconds"]
        elif action == "START" and (wait := update.get("WaitOptions")):
            record.due = second + wait["WaitSeconds"]
        elif action in {"SUCCEED", "FAIL"}:
            to.ended_at.setdefault(identifier, at)
            if (update.get("ContextOptions") or {}).get("ReplayChildren"):
                to.rebuilt.add(identifier)

    def _tell(self, at: int, invocation: int, records: list[dict[str, Any]]) -> None:
        self._note(at, records)
        self._know(at, invocation, records)

    def _note(self, at: int, wires: list[dict[str, Any]]) -> None:
        """Take in what the service says of its records: some change without our doing."""
        to = self.to
        for wire in wires:
            identifier, status = wire["Id"], wire["Status"]
            record = to.records.get(identifier)
            if record is None:
                if wire["Type"] == "EXECUTION":
                    continue
                record = to.records[identifier] = Record(wire["Type"], status, at)
                to.parents[identifier] = wire.get("ParentId") or ""
            elif record.status not in ENDED and (status in ENDED or (record.status, status) == ("PENDING", "READY")):
                record.status, record.since = status, at
            if (callback := wire.get("CallbackDetails")) and (secret := callback.get("CallbackId")):
                to.secrets.add(secret)

    def _know(self, at: int, invocation: int, wires: list[dict[str, Any]]) -> None:
        """Note what the process of *invocation* knows from now on to have ended."""
        told = self.to.told
        for wire in wires:
            if wire["Status"] in ENDED:
                told.setdefault((invocation, wire["Id"]), (at, wire["Status"]))

    def _asked(self, at: int, event: Asked) -> None:
        self.to.asked.append((at, event))
        self.to.parents.setdefault(event.operation, event.parent)

    def _body(self, at: int, event: BodyBegan) -> None:
        record = self.to.records.get(event.operation)
        if record is None:
            self.to.bodies.append(Start(at, event, "", 1, 0.0))
        else:
            self.to.bodies.append(Start(at, event, record.status, record.retries + 1, record.due))

    def _died(self, at: int, event: Died) -> None:
        self.to.died.setdefault(event.invocation, at)

    def _ended(self, at: int, event: Ended) -> None:
        self.to.ended[event.invocation] = (at, event)
        self._unmerged = []
        if event.answer == "PENDING":
            self.to.open_wakers[event.invocation] = [
                identifier
                for identifier, record in self.to.records.items()
                if _wakes(record) and not self.to.ended_around(identifier, NEVER)
            ]


def _wakes(record: Record) -> bool:
    if record.type == "STEP":
        return record.status in {"PENDING", "READY"}
    return record.type in {"WAIT", "CALLBACK", "CHAINED_INVOKE"} and record.status == "STARTED"
