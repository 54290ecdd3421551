"""Errors about input that do not contain it.

A validation error of pydantic carries, and prints, what it refused. Ours go into histories, logs and dead letter
queues, so they tell the place, the kind and the rule, and nothing of what was sent. A place names fields of the user's
types; keys that the sender made up are not shown.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Container, Mapping
from typing import Any

from pydantic import ValidationError as PydanticValidationError
from pydantic_core import to_json

from powertools_durable.errors import PayloadValidationError
from powertools_durable.errors.validation import details_of, kind_of, place_of

__all__ = ["Unfit", "failure_of", "from_pydantic", "places", "unexpected"]

_ENTRIES = 50  # errors in the data
_NAMED = 10  # errors in the message
_DATA_CHARACTERS = 15_000  # as JSON inside JSON, safely below the 16 KiB that an error object has for data
_CUT = 500  # characters of one place or text

_Entry = dict[str, Any]

# Messages of pydantic that repeat a part of what was sent, and what we say instead.
_REPEATS_INPUT: Mapping[str, str] = {
    "union_tag_invalid": "Input tag does not match any of the expected tags",
    "uuid_parsing": "Input should be a valid UUID",
    "timezone_offset": "Input should have another timezone offset",
    "datetime_object_invalid": "Invalid datetime object",
    "bytes_invalid_encoding": "Data should be valid in the expected encoding",
}


class Unfit(Exception):  # noqa: N818 - never leaves this room
    """Input refused by our own reading, in pydantic's words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.entry = {"type": kind, "loc": [], "msg": reason}


def from_pydantic(
    error: PydanticValidationError, *, place: Mapping[str, str | int] | None = None, include_input: bool = False
) -> PayloadValidationError:
    """Say what pydantic refused; with *include_input* the data also hold the refused values, as JSON text."""
    return failure_of(error.title, error.error_count(), _entries(error, include_input=include_input), place=place)


def places(error: PydanticValidationError, *, tags: Container[object] = ()) -> str:
    """Return ``id (int_parsing), sku (missing)``; *tags* are no places, but tell which class pydantic tried."""
    entries = _entries(error)
    for entry in entries:
        entry["loc"] = [part for part in entry["loc"] if part not in tags]
    return _listing(entries, error.error_count())


def _entries(error: PydanticValidationError, *, include_input: bool = False) -> list[_Entry]:
    return [_entry(details) for details in details_of(error, _ENTRIES, include_input=include_input)]


def _entry(details: Mapping[str, Any]) -> _Entry:
    kind = details["type"]
    entry = {
        "type": kind,
        "loc": [part if isinstance(part, int) else _cut(part) for part in details["loc"]],
        "msg": _cut(_REPEATS_INPUT.get(kind, details["msg"])),
    }
    if "takes" in details:
        entry["takes"] = details["takes"]
    if "input" in details:
        entry["input"] = _cut(_as_text(details["input"]))
    return entry


def unexpected(error: Exception) -> _Entry:
    """Name the error's class and its line: its text may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    place = f"{last.name}, {last.filename.rpartition('/')[2]}:{last.lineno}"
    return {"type": "unexpected_error", "loc": [], "msg": f"{type(error).__name__} in {place}"}


def failure_of(
    title: str, count: int, entries: list[_Entry], *, place: Mapping[str, str | int] | None = None
) -> PayloadValidationError:
    """Make the error: names in the message, details in the data, as many as an error object has room for.

    *place* is the ``envelope`` that the payload came in, and the number of the ``record`` in it.
    """
    kept = _fitting(entries)
    place = place or {}
    data: dict[str, Any] = {"model": _cut(title), **place, "errors": kept}
    if len(kept) < count:
        data["omitted"] = count - len(kept)
    message = f"{count} validation error{'s' if count != 1 else ''} for {_cut(title)}"
    if place:
        record = f"record {place['record']} of " if "record" in place else ""
        message = f"{message} in {record}{place['envelope']}"
    if entries:
        message = f"{message}: {_listing(entries, count, 'body' if 'record' in place else 'payload')}"
    return PayloadValidationError(message, data=json.dumps(data, separators=(",", ":")))


def _listing(entries: list[_Entry], count: int, whole: str = "payload") -> str:
    shown = [f"{_cut(place_of(entry['loc'])) or whole} ({kind_of(entry)})" for entry in entries[:_NAMED]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def _fitting(entries: list[_Entry]) -> list[_Entry]:
    room, kept = _DATA_CHARACTERS, []
    for entry in entries:
        room -= len(json.dumps(json.dumps(entry)))
        if room < 0:
            break
        kept.append(entry)
    return kept


def _as_text(value: object) -> str:
    try:
        return to_json(value, fallback=repr, inf_nan_mode="strings", bytes_mode="base64").decode()
    except Exception:  # noqa: BLE001 - a value that shows itself badly must not hide the error
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else text[:_CUT] + "…"
