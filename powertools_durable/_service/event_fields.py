"""Reads what one event of a history holds; whoever wrote it may have written something else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import parse_timestamp

__all__ = ["Misshapen", "count_in", "details_of", "error_in", "moment_in", "payload_in", "text_in"]

_MOST: Final = 2**31


class Misshapen(Exception):  # noqa: N818 - the event it is in will be named
    """Something in an event is not what it should be."""


def details_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that is named after the event's type."""
    details = event.get(f"{event['EventType']}Details")
    return details if isinstance(details, Mapping) else {}


def text_in(told: Mapping[str, Any], key: str) -> str:
    """Return a text, empty where there is none."""
    value = told.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise Misshapen(f"its {key} is no text")
    return value


def count_in(told: Mapping[str, Any], key: str) -> int:
    """Return a number of attempts or seconds, 0 where there is none."""
    value = told.get(key) or 0
    if type(value) is not int or not 0 <= value <= _MOST:
        raise Misshapen(f"its {key} is no number")
    return value


def moment_in(told: Mapping[str, Any], key: str = "EventTimestamp") -> datetime | None:
    """Return a moment, in whatever form it is told."""
    try:
        return parse_timestamp(told.get(key))
    except (ValueError, OverflowError) as problem:
        raise Misshapen(f"its {key} is no moment: {problem}") from None


def payload_in(event: Mapping[str, Any], key: str) -> str | None:
    """Return a payload's text; None where there is none, or not here."""
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
        raise Misshapen("its error is no error")
    return ErrorObject(error_message=message, error_type=kind, error_data=data, stack_trace=tuple(stack) or None)
