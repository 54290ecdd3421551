"""Records in the form of an event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from powertools_durable._protocol.operation import Operation
from powertools_durable._protocol.wire import to_wire

__all__ = ["WireCache"]


class WireCache:
    """Converts each record once until it changes: every invocation gets all of them again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Operation, dict[str, Any]]] = {}

    def of(self, records: Iterable[Operation]) -> list[dict[str, Any]]:
        """Return *records* as JSON-ready data, which the caller may change."""
        return [_copied(self._of(record)) for record in records]

    def _of(self, record: Operation) -> dict[str, Any]:
        known = self._known.get(record.id)
        if known is None or known[0] is not record:
            known = self._known[record.id] = record, to_wire(record)
        return known[1]


def _copied(part: Any) -> Any:
    kind = type(part)
    if kind is dict:
        return {key: value if type(value) is str else _copied(value) for key, value in part.items()}
    return [_copied(value) for value in part] if kind is list else part
