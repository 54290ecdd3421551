"""Takes a history in whatever form it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name
from powertools_durable.parser.json_text import JsonTextError, read_json_text

__all__ = ["History", "read_history"]

History: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | bytes | Path


_MISTAKEN: Final = {
    "EventType": "one of its events",
    "InitialExecutionState": "the event of an invocation",
    "Operations": "what GetDurableExecutionState answers",
    "DurableExecutions": "a list of executions",
    "DurableExecutionArn": "what GetDurableExecution answers: how the execution stands, not how it came there",
}


def read_history(history: History) -> tuple[list[Mapping[str, Any]], str, str]:
    """Return the events, the execution's ARN if it is told, and the file's name if it is one.

    Parameters
    ----------
    history : Mapping | Sequence | str | bytes | Path
        What GetDurableExecutionHistory answers, one page or a list of pages; its events; either as JSON text;
        or the path of a file with that.

    Raises
    ------
    ValidationError
        There is no such file, or no history in it. The message holds no payload.
    """
    read = ""
    if isinstance(history, Path) or (
        isinstance(history, str) and history.lstrip("\ufeff \t\r\n")[:1] not in {"{", "["}
    ):
        read = str(history)
        history = _bytes_of(Path(history))
    if isinstance(history, str | bytes):
        history = _parsed(history, read or "the history")
    pages = history if isinstance(history, list) and history and _is_page(history[0]) else [history]
    events: list[Mapping[str, Any]] = []
    for page in pages:
        events += _events_of(page, read or "the history")
    if pages and isinstance(pages[-1], Mapping) and pages[-1].get("NextMarker"):
        message = (
            f"{read or 'the history'} goes on at NextMarker: get all pages (a paginator of boto3 does), or use "
            "`powertools-durable export`"
        )
        raise ValidationError(message)
    arn = pages[0].get("DurableExecutionArn") if pages and isinstance(pages[0], Mapping) else None
    return events, arn if isinstance(arn, str) and arn.isprintable() else "", read


def _is_page(part: object) -> bool:
    return isinstance(part, Mapping) and "Events" in part


def _events_of(page: object, what: str) -> Sequence[Mapping[str, Any]]:
    events = page.get("Events") if isinstance(page, Mapping) else page
    if isinstance(events, list | tuple):
        return events
    message = (
        f"{what} is no history: it should be what GetDurableExecutionHistory answers, or its list of events, "
        f"not {_kind_of(page)}"
    )
    raise ValidationError(message)


def _kind_of(page: object) -> str:
    """Say what was mistaken for a history; never what is in it."""
    if not isinstance(page, Mapping):
        return f"{class_name(page)}"
    return next((kind for key, kind in _MISTAKEN.items() if key in page), "an object without Events")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        message = f"the history {str(path)[:200]} can't be read: {why}"
        raise ValidationError(message) from None


def _parsed(text: str | bytes, what: str) -> Any:
    try:
        return read_json_text(text)
    except JsonTextError as error:
        message = f"{what} is no JSON{_where(error)}"
        raise ValidationError(message) from None


def _where(error: JsonTextError) -> str:
    if not error.line:
        return f": {error}"
    if error.reason == "Extra data":
        return f": after its end something follows at line {error.line}. Put several pages into one list"
    return f" at line {error.line}{', where it ends too early' if error.ends_early else ''}"
