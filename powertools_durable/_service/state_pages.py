"""The pages in which a handler gets the records (docs/contributing/protocol.md#loading-all-pages)."""

from __future__ import annotations

from collections.abc import Mapping

from powertools_durable._protocol.operation import Operation
from powertools_durable._protocol.result import StatePage
from powertools_durable._service.update_validation import ServiceRefusal

__all__ = ["page"]

_PAGE_BYTES = 5 * 1024 * 1024  # [E]
_OVERHEAD = 512  # of a record besides its result


def page(operations: Mapping[str, Operation], token: str, marker: str, max_items: int) -> StatePage:
    """Return the records from *marker* on; at least one, so that every page makes progress.

    Parameters
    ----------
    operations : Mapping[str, Operation]
        All records, in the order they started.
    token : str
        The token to which the markers of these pages belong.
    marker : str
        The previous page's next marker; empty for the first page.
    max_items : int
        The most records on the page.

    Raises
    ------
    ServiceRefusal
        The marker was not issued for this token.
    """
    visible = [record for record in operations.values() if _is_visible(record, operations)]
    start = _position(marker, token, len(visible)) if marker else 0
    end, size = start, 0
    for record in visible[start : start + max(1, max_items)]:
        size += len(record.result or "") + _OVERHEAD
        if end > start and size > _PAGE_BYTES:
            break
        end += 1
    following = f"{token[:8]}:{end}" if end < len(visible) else None
    return StatePage(operations=tuple(visible[start:end]), next_marker=following)


def _position(marker: str, token: str, last: int) -> int:
    bound, _, text = marker.partition(":")
    position = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(last)) else -1
    if bound != token[:8] or not 0 <= position <= last:
        message = "Invalid marker"
        raise ServiceRefusal(message)
    return position


def _is_visible(record: Operation, operations: Mapping[str, Operation]) -> bool:
    """Children of a finished context are not sent, unless its result is rebuilt from them."""
    parent = operations.get(record.parent_id or "")
    while parent is not None:
        details = parent.context_details
        if parent.status.is_terminal and not (details and details.replay_children):
            return False
        parent = operations.get(parent.parent_id or "")
    return True
