"""Describes executions and the events of their histories; the timeline, the JSON lines and ``show`` print the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import parse_timestamp
from powertools_durable.cli.failure_text import describe_execution_failure, describe_failure
from powertools_durable.cli.remote_execution import RemoteExecution
from powertools_durable.errors.places import is_own_place, is_users_place
from powertools_durable.errors.rebuilding import raised_at_first
from powertools_durable.local import LocalExecution
from powertools_durable.local.executions import LocalSummary

__all__ = [
    "AnyExecution",
    "EventSummary",
    "describe_event",
    "describe_outcome",
    "display_status",
    "error_fields",
    "format_duration",
    "innermost_place",
    "outcome_fields",
    "summarize_event",
]

AnyExecution: TypeAlias = LocalExecution | RemoteExecution

# Kind of line and its text. Events without a kind are not printed.
_FIXED = {
    "ExecutionStarted": ("", ""),
    "ExecutionSucceeded": ("", ""),  # `describe_outcome` is printed after the last event
    "ExecutionFailed": ("", ""),
    "ExecutionTimedOut": ("", ""),
    "ExecutionStopped": ("", ""),
    "ExecutionPaused": ("wait", "paused"),
    "ExecutionResumed": ("ok", "resumed"),
    "StepStarted": ("", ""),
    "ContextStarted": ("open", ""),
    "ChainedInvokeStarted": ("wait", "invoked"),
    "WaitSucceeded": ("ok", ""),
}
_KINDS = {"Step": "step", "Wait": "wait", "Callback": "callback", "ChainedInvoke": "invoke", "Context": "context"}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@dataclass(frozen=True, slots=True)
class EventSummary:
    """An event of a history, without payloads and secrets."""

    time: datetime
    event: str
    id: str = ""
    parent: str | None = None
    name: str | None = None
    attempt: int | None = None
    retry_in: int | None = None
    seconds: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_place: str | None = None

    @property
    def label(self) -> str:
        """The operation's name; without one, its kind and the first characters of its id."""
        if self.event.startswith("Execution"):
            return "execution"
        kinds = [kind for prefix, kind in _KINDS.items() if self.event.startswith(prefix)]
        return self.name or " ".join([*kinds, self.id[:8]]).strip() or "invocation"

    @property
    def error(self) -> str:
        """The error's type without its module, message and place."""
        kind = (self.error_type or "").rpartition(".")[2]
        return self._with_place(": ".join(filter(None, (kind, self.error_message))))

    @property
    def failure(self) -> str:
        """``failed after 3 attempts: KeyError: 'sku' (place)``."""
        error = ErrorObject(error_message=self.error_message, error_type=self.error_type)
        return self._with_place(describe_failure(error, self.attempt))

    def _with_place(self, text: str) -> str:
        return f"{text} ({self.error_place})" if self.error_place else text

    def as_json(self) -> dict[str, Any]:
        """Return the fields of its JSON line, without those that have no value."""
        error = {"type": self.error_type, "message": self.error_message, "place": self.error_place}
        fields = {
            "time": self.time.isoformat(timespec="milliseconds"),
            "event": self.event,
            "name": self.name,
            "id": self.id or None,
            "parent": self.parent,
            "attempt": self.attempt,
            "retryIn": self.retry_in,
            "seconds": self.seconds,
            "error": {key: value for key, value in error.items() if value} or None,
        }
        return {key: value for key, value in fields.items() if value is not None}


def summarize_event(event: Mapping[str, Any]) -> EventSummary:
    """Return the summary of an event of a history."""
    kind = event["EventType"]
    details = event.get(f"{kind}Details") or {}
    retry = details.get("RetryDetails") or {}
    error = (details.get("Error") or {}).get("Payload") or {}
    return EventSummary(
        time=parse_timestamp(event["EventTimestamp"]) or datetime.fromtimestamp(0, UTC),
        event=kind,
        id=event.get("Id", ""),
        parent=event.get("ParentId"),
        name=event.get("Name"),
        attempt=retry.get("CurrentAttempt"),
        retry_in=retry.get("NextAttemptDelaySeconds"),
        seconds=details.get("Duration") or details.get("Timeout") or None,
        error_type=raised_at_first(ErrorObject(error_type=error.get("ErrorType"))),
        error_message=error.get("ErrorMessage"),
        error_place=innermost_place(error.get("StackTrace")),
    )


def innermost_place(stack: Sequence[str] | None) -> str | None:
    """Return the innermost line of the user's code in a recorded stack trace, else of a library's that it called."""
    lines = list(filter(is_users_place, stack or ())) or [line for line in stack or () if not is_own_place(line)]
    return lines[-1] if lines else None


def format_duration(seconds: float) -> str:
    """Return ``2 d 3 h``, ``45 s`` or ``80 ms``: at most two units."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)} ms"
    left = round(timedelta(seconds=seconds).total_seconds())
    parts = []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    if left or not parts:
        parts.append(f"{left} s")
    return " ".join(parts[:2])


def describe_event(event: EventSummary, start: EventSummary | None) -> tuple[str, str]:
    """Return the kind of an event's line and its text; the kind is empty if no line is printed.

    Parameters
    ----------
    event : EventSummary
        The event.
    start : EventSummary | None
        The event with which its operation started.
    """
    if event.event in _FIXED:
        return _FIXED[event.event]
    if event.retry_in is not None:
        why = f" failed: {event.error}" if event.error else ""
        return "again", f"retries in {format_duration(event.retry_in)}, attempt {event.attempt}{why}"
    match event.event:
        case "InvocationCompleted":
            return ("bad", f"failed: {event.error}") if event.error else ("", "")
        case "WaitStarted":
            return "wait", f"waits {format_duration(event.seconds or 0)}"
        case "CallbackStarted":
            until = f", for {format_duration(event.seconds)} at most" if event.seconds else ""
            return "wait", f"waits for an answer{until}"
        case name if name.endswith("Succeeded"):
            return "ok", _describe_effort(event, start)
        case name if name.endswith(("Failed", "TimedOut", "Stopped", "Cancelled")):
            return "bad", event.failure
        case _:
            return "", ""


def _describe_effort(event: EventSummary, start: EventSummary | None) -> str:
    attempt = f"attempt {event.attempt}" if (event.attempt or 1) > 1 else ""
    took = format_duration((event.time - start.time).total_seconds()) if start and event.time > start.time else ""
    return ", ".join(filter(None, (attempt, took)))


def describe_outcome(one: AnyExecution) -> tuple[str, str]:
    """Return an execution's status, and its result, its error, or what it waits for."""
    took = format_duration((one.ended - one.started).total_seconds()) if one.ended else ""
    calls = f"{one.invocations} invocation{'s' if one.invocations != 1 else ''}"
    match one.status:
        case "SUCCEEDED":
            return one.status, f"in {took}, {calls}\n{json.dumps(one.result, indent=2, ensure_ascii=False)}"
        case "RUNNING":
            names = ", ".join(one.label(record) for record in one.waiting_for)
            idle = "its handler runs" if one.is_running else "not waiting for anything"
            return display_status(one), f"after {calls}; {f'waits for {names}' if names else idle}"
        case _:
            error = one.error
            text = describe_execution_failure(error, one.operations) if error else ""
            place = innermost_place(error.stack_trace) if error else None
            text = f"{text}\n  at {place}" if place else text
            effort = ", ".join(filter(None, (took, calls)))
            return one.status, f"after {effort}\n{text}" if text else f"after {effort}"


def display_status(one: AnyExecution | LocalSummary) -> str:
    """Return the status; one that has not ended and that no process runs is ``KILLED`` or ``SUSPENDED``."""
    if one.status != "RUNNING":
        return one.status
    if one.is_running:
        return "RUNNING"
    return "KILLED" if one.is_invoked else "SUSPENDED"


def error_fields(error: ErrorObject) -> dict[str, Any]:
    """Return the fields of an error in JSON."""
    place = innermost_place(error.stack_trace)
    fields = {"type": raised_at_first(error), "message": error.error_message}
    return fields | ({"place": place} if place else {})


def outcome_fields(one: AnyExecution) -> dict[str, Any]:
    """Return an execution's result, error, or what it waits for, as fields in JSON."""
    if one.status == "SUCCEEDED":
        return {"result": one.result}
    if one.error is not None:
        return {
            "error": error_fields(one.error) | {"description": describe_execution_failure(one.error, one.operations)}
        }
    return {"waitingFor": [one.label(record) for record in one.waiting_for]}
