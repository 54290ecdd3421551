"""What a moment of an execution's history says: the same facts for the timeline, the JSON lines and ``show``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import parse_timestamp
from powertools_durable.cli.failing import described_end, described_failure
from powertools_durable.cli.remote_execution import RemoteExecution
from powertools_durable.errors.places import is_users_place
from powertools_durable.errors.rebuilding import raised_at_first
from powertools_durable.local import LocalExecution
from powertools_durable.local.executions import LocalSummary

__all__ = ["Moment", "Shown", "ending", "failure", "moment_of", "said", "span", "standing", "told"]

Shown: TypeAlias = LocalExecution | RemoteExecution

_FIXED = {
    "ExecutionStarted": ("", ""),
    "ExecutionSucceeded": ("", ""),  # what the execution came to is said at the end, with its result
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
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of the history, without payloads and secrets."""

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
        """The operation's name, or the beginning of its id."""
        if self.event.startswith("Execution"):
            return "execution"
        return self.name or self.id[:8] or "invocation"

    @property
    def error(self) -> str:
        """Type and message, short."""
        kind = (self.error_type or "").rpartition(".")[2]
        return self._placed(": ".join(filter(None, (kind, self.error_message))))

    @property
    def failure(self) -> str:
        """That the operation failed, after how many attempts, with what."""
        error = ErrorObject(error_message=self.error_message, error_type=self.error_type)
        return self._placed(described_failure(error, self.attempt))

    def _placed(self, words: str) -> str:
        return f"{words} ({self.error_place})" if self.error_place else words

    def as_json(self) -> dict[str, Any]:
        """Return it as a line of JSON has it: nothing that is not there."""
        error = {"type": self.error_type, "message": self.error_message, "place": self.error_place}
        told = {
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
        return {key: value for key, value in told.items() if value is not None}


def moment_of(event: Mapping[str, Any]) -> Moment:
    """Read an event of the history."""
    kind = event["EventType"]
    details = event.get(f"{kind}Details") or {}
    retry = details.get("RetryDetails") or {}
    error = (details.get("Error") or {}).get("Payload") or {}
    return Moment(
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
        error_place=place_of(error.get("StackTrace")),
    )


def place_of(stack: Sequence[str] | None) -> str | None:
    """Return the innermost line of the user's own code in a recorded stack; None when none was recorded."""
    lines = list(filter(is_users_place, stack or ())) or list(stack or ())
    return lines[-1] if lines else None


def span(seconds: float) -> str:
    """Return ``2 d 3 h``, ``45 s`` or ``80 ms``: two units at most."""
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


def said(moment: Moment, began: Moment | None) -> tuple[str, str]:
    """Return the kind of line and its words; no kind for what needs no line of its own."""
    if moment.event in _FIXED:
        return _FIXED[moment.event]
    if moment.retry_in is not None:
        why = f" failed: {moment.error}" if moment.error else ""
        return "again", f"again in {span(moment.retry_in)}, attempt {moment.attempt}{why}"
    match moment.event:
        case "InvocationCompleted":
            return ("bad", f"failed: {moment.error}") if moment.error else ("", "")
        case "WaitStarted":
            return "wait", f"waits {span(moment.seconds or 0)}"
        case "CallbackStarted":
            until = f", for {span(moment.seconds)} at most" if moment.seconds else ""
            return "wait", f"waits for an answer{until}"
        case event if event.endswith("Succeeded"):
            return "ok", _effort(moment, began)
        case event if event.endswith(("Failed", "TimedOut", "Stopped", "Cancelled")):
            return "bad", moment.failure
        case _:
            return "", ""


def _effort(moment: Moment, began: Moment | None) -> str:
    attempt = f"attempt {moment.attempt}" if (moment.attempt or 1) > 1 else ""
    took = span((moment.time - began.time).total_seconds()) if began and moment.time > began.time else ""
    return ", ".join(filter(None, (attempt, took)))


def ending(one: Shown) -> tuple[str, str]:
    """Return an execution's status and what there is to say of it."""
    took = span((one.ended - one.started).total_seconds()) if one.ended else ""
    calls = f"{one.invocations} invocation{'s' if one.invocations != 1 else ''}"
    match one.status:
        case "SUCCEEDED":
            return one.status, f"in {took}, {calls}\n{json.dumps(one.result, indent=2, ensure_ascii=False)}"
        case "RUNNING":
            names = ", ".join(one.label(record) for record in one.waiting_for)
            idle = "its handler runs" if one.is_running else "waits for nothing that can happen here"
            return standing(one), f"after {calls}; {f'waits for {names}' if names else idle}"
        case _:
            error = one.error
            words = described_end(error, one.operations) if error else ""
            place = place_of(error.stack_trace) if error else None
            words = f"{words}\n  at {place}" if place else words
            effort = ", ".join(filter(None, (took, calls)))
            return one.status, f"after {effort}\n{words}" if words else f"after {effort}"


def standing(one: Shown | LocalSummary) -> str:
    """Return the status, and of one that has not ended whether a process stays with it."""
    if one.status != "RUNNING":
        return one.status
    if one.is_running:
        return "RUNNING"
    return "KILLED" if one.is_invoked else "SUSPENDED"


def failure(error: ErrorObject) -> dict[str, Any]:
    """Return an error as JSON has it."""
    place = place_of(error.stack_trace)
    said = {"type": raised_at_first(error), "message": error.error_message}
    return said | ({"place": place} if place else {})


def told(one: Shown) -> dict[str, Any]:
    """Return an execution's result or error, as JSON has it."""
    if one.status == "SUCCEEDED":
        return {"result": one.result}
    if one.error is not None:
        return {"error": failure(one.error) | {"description": described_end(one.error, one.operations)}}
    return {"waitingFor": [one.label(record) for record in one.waiting_for]}
