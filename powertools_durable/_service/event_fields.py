"""Reads the fields of one event of a history. Events come from outside, so every field is checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from powertools_durable._protocol.operation import ErrorObject, OperationStatus, OperationType
from powertools_durable._protocol.wire import parse_timestamp

__all__ = [
    "EVENTS",
    "MalformedEvent",
    "count_in",
    "details_of",
    "error_in",
    "moment_in",
    "payload_in",
    "raw_text_in",
    "text_in",
]

_MOST: Final = 2**31
_TYPES: Final = {
    "Execution": OperationType.EXECUTION,
    "Context": OperationType.CONTEXT,
    "Step": OperationType.STEP,
    "Wait": OperationType.WAIT,
    "Callback": OperationType.CALLBACK,
    "ChainedInvoke": OperationType.CHAINED_INVOKE,
}
_STATUSES: Final = {
    "Started": OperationStatus.STARTED,
    "Succeeded": OperationStatus.SUCCEEDED,
    "Failed": OperationStatus.FAILED,
    "Cancelled": OperationStatus.CANCELLED,
    "TimedOut": OperationStatus.TIMED_OUT,
    "Stopped": OperationStatus.STOPPED,
}
EVENTS: Final = {
    f"{prefix}{suffix}": (kind, status) for prefix, kind in _TYPES.items() for suffix, status in _STATUSES.items()
}
"""What kind of operation an event is about, and its status; ``StepFailed`` may be a retry, too."""


class MalformedEvent(Exception):  # noqa: N818 - the caller adds which event
    """A field of an event has the wrong type or an invalid value."""


def details_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that is named after the event's type."""
    details = event.get(f"{event['EventType']}Details")
    return details if isinstance(details, Mapping) else {}


def raw_text_in(fields: Mapping[str, Any], key: str) -> str:
    """Return a text that may have any characters; empty if there is none."""
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def text_in(fields: Mapping[str, Any], key: str) -> str:
    """Return a text; empty if there is none."""
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise MalformedEvent(f"its {key} is not printable text")
    return value


def count_in(fields: Mapping[str, Any], key: str) -> int:
    """Return a number of attempts or seconds; 0 if there is none."""
    value = fields.get(key) or 0
    if type(value) is not int or not 0 <= value <= _MOST:
        raise MalformedEvent(f"its {key} is not a valid number")
    return value


def moment_in(fields: Mapping[str, Any], key: str = "EventTimestamp") -> datetime | None:
    """Return a moment given as a number, as text or as a ``datetime``."""
    try:
        return parse_timestamp(fields.get(key))
    except (ValueError, OverflowError) as problem:
        raise MalformedEvent(f"its {key} is not a timestamp: {problem}") from None


def payload_in(event: Mapping[str, Any], key: str) -> str | None:
    """Return a payload's text; None if the event has none."""
    wrapped = details_of(event).get(key)
    value = wrapped.get("Payload") if isinstance(wrapped, Mapping) else wrapped
    return value if isinstance(value, str) else None


def error_in(event: Mapping[str, Any]) -> ErrorObject | None:
    """Return the error, if there is one."""
    wrapped = details_of(event).get("Error")
    wire = wrapped.get("Payload") if isinstance(wrapped, Mapping) else None
    if not isinstance(wire, Mapping):
        return None
    message, kind, data = (wire.get(key) for key in ("ErrorMessage", "ErrorType", "ErrorData"))
    stack = wire.get("StackTrace") or []
    if not isinstance(stack, list) or not all(isinstance(value, str | None) for value in (message, kind, data, *stack)):
        raise MalformedEvent("its error is malformed")
    return ErrorObject(error_message=message, error_type=kind, error_data=data, stack_trace=tuple(stack) or None)
