"""Names and moments on the wire: the PascalCase rule, one timestamp parser, one writer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from typing import Annotated, Any, TypeVar

__all__ = ["WIRE", "Timestamp", "moments", "parse_timestamp", "pascal", "to_wire"]

R = TypeVar("R")

# From here on a number is milliseconds, as seconds it would be the year 5138: docs/contributing/protocol.md#timestamps.
_MILLISECONDS_FROM = 1e11
_MILLISECONDS_UNTIL = 253_402_300_800_000  # the year 10000, where Python's moments end


def pascal(name: str) -> str:
    """Turn ``next_marker`` into ``NextMarker``."""
    return "".join(part.capitalize() for part in name.split("_"))


WIRE: Mapping[str, Any] = {"alias_generator": pascal, "populate_by_name": True, "extra": "ignore"}
"""Pydantic's configuration for every record: PascalCase names, unknown fields ignored."""


def parse_timestamp(value: object) -> datetime | None:
    """Read a moment in any form the service and its emulators send.

    Parameters
    ----------
    value : object
        ``datetime``; a number (milliseconds from 1e11 on, else seconds); ISO 8601 text, ``Z`` allowed;
        zero, empty text or None.

    Returns
    -------
    datetime | None
        UTC-aware; None for zero and nothing.

    Raises
    ------
    ValueError
        The value is none of these. Source: docs/contributing/protocol.md#invocation-input.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    match value:
        case None | "" | 0 | False:
            return None
        case datetime():
            return _as_utc(value)
        case int() | float():
            try:
                seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
                return datetime.fromtimestamp(seconds, UTC)
            except (OverflowError, OSError, ValueError):
                message = "a timestamp is out of range"
                raise ValueError(message) from None
        case str():
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                message = "a timestamp is not ISO 8601 text"
                raise ValueError(message) from None
            return _as_utc(moment)
        case _:
            message = f"a timestamp is a {type(value).__name__}, not a number, text or datetime"
            raise ValueError(message)


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        message = "a timestamp is out of range"
        raise ValueError(message) from None


class _ByOurParser:
    """Tells pydantic to use `parse_timestamp`; a core schema is a plain dict, so nothing is imported.

    A number that is a moment for certain stays one until it is asked for: see `moments`.
    """

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> dict[str, Any]:
        certain = {"strict": True, "gt": 0, "lt": _MILLISECONDS_UNTIL}
        parsed = {"type": "function-plain", "function": {"type": "no-info", "function": parse_timestamp}}
        choices = [{"type": "int", **certain}, {"type": "float", **certain}, parsed]
        return {"type": "union", "mode": "left_to_right", "choices": choices}


Timestamp = Annotated[datetime, _ByOurParser()]


def moments(*names: str) -> Callable[[type[R]], type[R]]:
    """Let those fields of a record with slots hold a number, and be a `datetime` for the code that reads them.

    Of the moments in a long history nearly none is ever looked at, so making them costs more than it is worth.
    """

    def decorate(cls: type[R]) -> type[R]:
        for name in names:
            setattr(cls, name, _moment(vars(cls)[name]))
        return cls

    return decorate


def _moment(slot: Any) -> property:
    def read(record: object) -> Any:
        value = slot.__get__(record)
        if type(value) is int or type(value) is float:
            value = parse_timestamp(value)
            slot.__set__(record, value)
        return value

    return property(read, slot.__set__)


_AS_IT_IS = frozenset({str, bool, int})
_Fields = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
_FIELDS: dict[type[Any], _Fields] = {}


def _fields(cls: type[Any]) -> _Fields:
    """Return the keys of a record, and what takes all its values at once."""
    names = [field.name for field in dataclasses.fields(cls)]
    values = attrgetter(*names) if len(names) > 1 else lambda record: (getattr(record, names[0]),)
    known = _FIELDS[cls] = tuple(map(pascal, names)), values
    return known


def to_wire(value: Any) -> Any:
    """Write a record as JSON-ready data: PascalCase keys, no None, moments in milliseconds.

    Parameters
    ----------
    value : Any
        A record or update of `_protocol`, or any of their parts.

    Returns
    -------
    Any
        Dicts, lists, texts and numbers.
    """
    known = _FIELDS.get(type(value))
    if known is None:
        match value:
            case None | bool():
                return value
            case Enum():
                return value._value_
            case str() | int():
                return value
            case datetime():
                return round(value.timestamp() * 1000)
            case tuple() | list():
                return [to_wire(item) for item in value]
            case _:
                known = _fields(type(value))
    keys, parts = known
    found = zip(keys, parts(value), strict=True)
    return {
        key: part if type(part) in _AS_IT_IS else part._value_ if isinstance(part, Enum) else to_wire(part)
        for key, part in found
        if part is not None
    }
