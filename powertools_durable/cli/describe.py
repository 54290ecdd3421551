"""Describes executions: the status and the outcome that the tree, the JSON lines and ``show`` print."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._timeline import Attempt, Failure, Operation, Timeline
from powertools_durable._timeline.failure import innermost_place
from powertools_durable.cli.failure_text import describe_execution_failure
from powertools_durable.cli.moments import format_duration
from powertools_durable.cli.remote_execution import RemoteExecution
from powertools_durable.errors.rebuilding import raised_at_first
from powertools_durable.local import LocalExecution
from powertools_durable.local.executions import LocalSummary

__all__ = [
    "AnyExecution",
    "describe_outcome",
    "display_status",
    "error_fields",
    "failure_fields",
    "operation_fields",
    "outcome_fields",
]

_OPEN = frozenset({"RUNNING", "KILLED", "SUSPENDED"})
AnyExecution: TypeAlias = LocalExecution | RemoteExecution


def display_status(one: AnyExecution | LocalSummary) -> str:
    """Return the status; one that has not ended and that no process runs is ``KILLED`` or ``SUSPENDED``."""
    if one.status != "RUNNING":
        return one.status
    if one.is_running:
        return "RUNNING"
    return "KILLED" if one.is_invoked else "SUSPENDED"


def describe_outcome(timeline: Timeline, status: str) -> str:
    """Return an execution's result, its error, or what it waits for; *status* is its display status."""
    took = format_duration((timeline.ended - timeline.started).total_seconds()) if timeline.ended else ""
    count = len(timeline.invocations)
    calls = f"{count} invocation{'s' if count != 1 else ''}"
    if timeline.ended is None or status in _OPEN:
        names = ", ".join(one.label for one in timeline.waiting)
        idle = "its handler runs" if status == "RUNNING" else "not waiting for anything"
        return f"after {calls}; {f'waits for {names}' if names else idle}"
    if status == "SUCCEEDED":
        result = f"\n{_pretty(timeline.result)}" if timeline.result is not None else ""
        return f"in {took}, {calls}{result}"
    failure = timeline.failure
    text = describe_execution_failure(failure, timeline.operations) if failure is not None else ""
    text = f"{text}\n  at {failure.place}" if failure is not None and failure.place else text
    effort = f"after {took}, {calls}"
    return f"{effort}\n{text}" if text else effort


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:  # a history may contain anything
        return text


# -- as JSON ---------------------------------------------------------------------------------------------------


def error_fields(error: ErrorObject) -> dict[str, Any]:
    """Return the fields of an error in JSON."""
    place = innermost_place(error.stack_trace)
    fields = {"type": raised_at_first(error), "message": error.error_message}
    return fields | ({"place": place} if place else {})


def failure_fields(failure: Failure) -> dict[str, Any]:
    """Return the fields of a failure in JSON, without those that have no value."""
    return _with_value({"type": failure.type, "message": failure.message, "place": failure.place})


def outcome_fields(timeline: Timeline, result: Any) -> dict[str, Any]:
    """Return an execution's result, error, or what it waits for, as fields in JSON."""
    if timeline.status == "SUCCEEDED":
        return {"result": result}
    if (failure := timeline.failure) is not None:
        description = describe_execution_failure(failure, timeline.operations)
        error = {"type": failure.type, "message": failure.message}
        place = {"place": failure.place} if failure.place else {}
        return {"error": error | place | {"description": description}}
    return {"waitingFor": [one.label for one in timeline.waiting]}


def operation_fields(one: Operation, above: Operation | None = None) -> dict[str, Any]:
    """Return an operation as fields in JSON, without those that have no value."""
    fields: dict[str, Any] = {
        "path": one.path,
        "number": one.number,
        "kind": one.kind.value,
        "label": one.label,
        "name": one.name,
        "id": one.id,
        "parent": above.id if above is not None else None,
        "status": one.status,
        "started": one.started.isoformat(timespec="milliseconds"),
        "ended": one.ended.isoformat(timespec="milliseconds") if one.ended else None,
        "due": one.due.isoformat(timespec="milliseconds") if one.due else None,
        "invocation": one.invocation,
        "attempts": [_attempt_fields(attempt) for attempt in one.attempts] or None,
        "function": one.function,
        "inputBytes": one.input_bytes,
        "input": one.input,
        "resultBytes": one.result_bytes,
        "result": one.result,
        "error": failure_fields(one.failure) if one.failure is not None else None,
        "source": one.source,
    }
    return _with_value(fields)


def _attempt_fields(attempt: Attempt) -> dict[str, Any]:
    return _with_value(
        {
            "number": attempt.number,
            "started": attempt.started.isoformat(timespec="milliseconds"),
            "ended": attempt.ended.isoformat(timespec="milliseconds") if attempt.ended else None,
            "retryAt": attempt.retry_at.isoformat(timespec="milliseconds") if attempt.retry_at else None,
            "error": failure_fields(attempt.failure) if attempt.failure is not None else None,
        }
    )


def _with_value(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
