"""Reads the events of a history into a `Timeline`.

Source: docs/contributing/protocol.md#history-events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from powertools_durable._protocol.operation import OperationStatus, OperationType
from powertools_durable._service.event_fields import (
    EVENTS,
    MalformedEvent,
    count_in,
    details_of,
    error_in,
    moment_in,
    payload_in,
    raw_text_in,
)
from powertools_durable._service.history_reader import UnreadableHistory, in_order
from powertools_durable._service.naming import NamedPlace, Naming
from powertools_durable._timeline.failure import TimelineFailure
from powertools_durable._timeline.model import Timeline, TimelineAttempt, TimelineInvocation
from powertools_durable._timeline.nodes import Node
from powertools_durable._timeline.sightings import Sightings

__all__ = ["TimelineReader", "read_events"]

_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
# What the service itself records: it says nothing about whether the handler runs.
_FROM_OUTSIDE: Final = frozenset({OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE})


def read_events(events: Iterable[Any], *, arn: str = "", values: bool = False, now: datetime | None = None) -> Timeline:
    """Return the timeline of a history.

    Parameters
    ----------
    events : Iterable
        The events of one execution, as GetDurableExecutionHistory returns them, in any order.
    arn : str
        The execution's ARN, if it is known.
    values : bool
        Keep the payloads.
    now : datetime | None
        Until when it is known what happened; by default until the last event.

    Raises
    ------
    UnreadableHistory
        Events are missing or malformed. The message contains no payload.
    """
    ordered = in_order(list(events))
    if not ordered or ordered[0]["EventType"] != "ExecutionStarted":
        raise UnreadableHistory("a history begins with ExecutionStarted; this one does not: get all of its pages")
    reader = TimelineReader(arn, values=values)
    for event in ordered:
        reader.add(event)
    return reader.timeline(now)


class TimelineReader:
    """Takes the events of one execution, one by one.

    Parameters
    ----------
    arn : str
        The execution's ARN; empty if it is not known.
    values : bool
        Keep the payloads.

    Attributes
    ----------
    nodes : dict[str, Node]
        Every operation by id.
    sources : Mapping[str, str]
        The line of the call, by operation.
    """

    def __init__(
        self, arn: str = "", *, values: bool = False, sources: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.sources = sources
        self._arn = arn
        self._values = values
        self._naming = Naming()
        self._top: list[Node] = []
        self._invocations: list[TimelineInvocation] = []
        self._is_invoked = False
        self._woken: datetime | None = None  # when something happened for which the handler is invoked
        self._replayable = 0
        self._number = 0
        self._last: datetime | None = None
        self._head: dict[str, Any] = {"name": "", "status": "RUNNING", "started": _LONG_AGO}

    # -- reading -------------------------------------------------------------------------------------------

    def add(self, event: Mapping[str, Any]) -> None:
        """Take the next event. Kinds that this version does not know are passed over.

        Raises
        ------
        UnreadableHistory
            It is malformed.
        """
        self._number += 1
        try:
            self._take(event)
        except MalformedEvent as problem:
            message = f"event {self._number}, {event['EventType'][:40]}: {problem}"
            raise UnreadableHistory(message) from None

    def _take(self, event: Mapping[str, Any]) -> None:
        now = self._last = moment_in(event) or self._last or _LONG_AGO
        kind, status = EVENTS.get(event["EventType"], (None, OperationStatus.STARTED))
        if event["EventType"] == "InvocationCompleted":
            self._end_invocation(event, now)
        elif kind is OperationType.EXECUTION:
            self._take_execution(event, status, now)
        elif kind is not None:
            self._take_operation(event, kind, status, now)

    def _take_execution(self, event: Mapping[str, Any], status: OperationStatus, now: datetime) -> None:
        head = self._head
        if status is OperationStatus.STARTED:
            head |= {"name": raw_text_in(event, "Name") or head["name"], "started": now}
            self._keep_head("input", payload_in(event, "Input"))
            self._woken = now
            return
        head |= {"status": status.value, "ended": now, "failure": TimelineFailure.of(error_in(event))}
        self._keep_head("result", payload_in(event, "Result"))

    def _keep_head(self, key: str, text: str | None) -> None:
        self._head |= {f"{key}_bytes": _size(text), key: text if self._values else None}

    def _take_operation(
        self, event: Mapping[str, Any], kind: OperationType, status: OperationStatus, now: datetime
    ) -> None:
        identifier = raw_text_in(event, "Id")
        if not identifier:
            raise MalformedEvent("it has no Id")
        if status is not OperationStatus.STARTED and kind in _FROM_OUTSIDE:
            self._woken = self._woken or now
        elif not self._is_invoked:
            self.invoked(self._woken or now)
        node = self.nodes.get(identifier) or self._open(event, identifier, kind, now)
        node.changed()
        if (result := payload_in(event, "Result")) is not None:
            node.result_bytes, node.result = _size(result), result if self._values else None
        node.failure = TimelineFailure.of(error_in(event)) or (None if status.is_terminal else node.failure)
        if kind is OperationType.STEP:
            status = self._take_attempt(node, event, status, now)
        if status.is_terminal:
            self._replayable += node.ended_by(status.value, now)
            node.last_event = self._number
        elif kind is not OperationType.STEP:
            _note_start(node, event, kind, now, values=self._values)

    def _open(self, event: Mapping[str, Any], identifier: str, kind: OperationType, now: datetime) -> Node:
        name, sub_type = raw_text_in(event, "Name") or None, raw_text_in(event, "SubType")
        place = self._naming.note(identifier, kind, sub_type, name, raw_text_in(event, "ParentId") or None)
        node = self.nodes[identifier] = Node(place, self._above(place, now), now, len(self._invocations))
        node.first_event = self._number
        node.source = self.sources.get(identifier) or None
        if place.above is None:
            self._top.append(node)
        return node

    def _above(self, place: NamedPlace, now: datetime) -> Node | None:
        """Return the node around a place; a FLAT branch gets one with the first of its operations."""
        if place.above is None:
            return None
        node = self.nodes.get(place.above.id)
        if node is None:
            node = Node(place.above, self._above(place.above, now), now, len(self._invocations))
            node.is_virtual, node.first_event = True, self._number
            self.nodes[place.above.id] = node
        return node

    def _take_attempt(
        self, node: Node, event: Mapping[str, Any], status: OperationStatus, now: datetime
    ) -> OperationStatus:
        """Take an event of a step; return its status. With a delay it is not the step that ended, but an attempt."""
        if status is OperationStatus.STARTED:
            number = len(node.attempts) + 1
            node.attempts.append(
                TimelineAttempt(number=number, started=now, invocation=len(self._invocations), first_event=self._number)
            )
            node.status, node.due = "STARTED", None
            return status
        retry = details_of(event).get("RetryDetails")
        retry = retry if isinstance(retry, Mapping) else {}
        delay = count_in(retry, "NextAttemptDelaySeconds")
        due = now + timedelta(seconds=delay) if delay else None
        if not node.attempts or node.attempts[-1].ended is not None:  # its start was not recorded
            node.attempts.append(
                TimelineAttempt(number=len(node.attempts) + 1, started=now, invocation=len(self._invocations))
            )
        last = node.attempts[-1]
        number = count_in(retry, "CurrentAttempt") or last.number
        size = _size(payload_in(event, "Result"))
        last = replace(last, number=number, ended=now, failure=node.failure, retry_at=due)
        node.attempts[-1] = replace(last, result_bytes=size, last_event=self._number)
        if due is None:
            return status
        node.status, node.due = "PENDING", due
        return OperationStatus.PENDING

    # -- invocations ---------------------------------------------------------------------------------------

    def invoked(self, started: datetime) -> None:
        """Note that the handler is invoked; a history says so only when the invocation has ended."""
        if not self._is_invoked:
            number = len(self._invocations) + 1
            self._invocations.append(TimelineInvocation(number=number, started=started, replayed=self._replayable))
            self._is_invoked, self._woken = True, None

    def _end_invocation(self, event: Mapping[str, Any], now: datetime) -> None:
        details = details_of(event)
        started, ended = moment_in(details, "StartTimestamp"), moment_in(details, "EndTimestamp") or now
        self.invoked(started or self._woken or now)
        last = self._invocations[-1]
        self._invocations[-1] = replace(
            last,
            started=started or last.started,
            ended=ended,
            failure=TimelineFailure.of(error_in(event)),
            request_id=raw_text_in(details, "RequestId") or None,
            last_event=self._number,
        )
        self._is_invoked = False

    # -- what no record says -----------------------------------------------------------------------------------

    def sight(self, sightings: Sightings) -> None:
        """Take over what was noted while the code ran."""
        for key, branches in tuple(sightings.branches.items()):
            node = self.nodes.get(key)
            if node is not None and node.branches != branches:
                node.branches = branches
                node.changed()

    def expect(self, deadlines: Mapping[str, datetime | None]) -> None:
        """Take over when open callbacks time out, by operation; a history does not say that there were heartbeats."""
        for key, due in deadlines.items():
            node = self.nodes.get(key)
            if node is not None and node.ended is None and node.due != due:
                node.due = due
                node.changed()

    @property
    def last(self) -> datetime:
        """The time of the last event."""
        return self._last or _LONG_AGO

    @property
    def failure(self) -> TimelineFailure | None:
        """What the execution failed with."""
        return self._head.get("failure")

    @property
    def invocations(self) -> Sequence[TimelineInvocation]:
        """The invocations so far."""
        return self._invocations

    # -- the result ----------------------------------------------------------------------------------------

    def timeline(self, now: datetime | None = None) -> Timeline:
        """Return what is known so far; *now* is until when, by default the time of the last event."""
        head = self._head
        return Timeline(
            arn=self._arn,
            until=head.get("ended") or now or self._last or _LONG_AGO,
            invocations=tuple(self._invocations),
            operations=tuple(node.frozen() for node in self._top),
            events=self._number,
            **head,
        )


def _size(text: str | None) -> int | None:
    return None if text is None else len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _note_start(node: Node, event: Mapping[str, Any], kind: OperationType, now: datetime, *, values: bool) -> None:
    details = details_of(event)
    if kind is OperationType.WAIT:
        node.due = moment_in(details, "ScheduledEndTimestamp") or _after(now, count_in(details, "Duration"))
    elif kind is OperationType.CALLBACK:
        seconds = count_in(details, "Timeout")  # no event says when there was a heartbeat
        node.due = _after(now, seconds) if seconds else None
    elif kind is OperationType.CHAINED_INVOKE:
        node.function = raw_text_in(details, "FunctionName") or None
        text = payload_in(event, "Input")
        node.input_bytes, node.input = _size(text), text if values else None


def _after(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)
