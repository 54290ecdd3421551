"""Reads pages of records until there are no more."""

from __future__ import annotations

from collections.abc import Iterator

from powertools_durable._protocol.operation import Operation
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError

__all__ = ["pages"]

_MAX_PAGES = 1_000  # a million records exceed every quota: more of them mean that the service is at fault


def pages(
    backend: DurableBackend, arn: str, token: str, marker: str | None, max_items: int
) -> Iterator[tuple[Operation, ...]]:
    """Yield every page, starting at *marker*.

    Raises
    ------
    BackendError
        The service refused the request, repeats a marker, or does not end after a thousand pages
        (docs/reliability.md#fault-rows, row 40, and #security-list, item 10).
    """
    seen: set[str] = set()
    while marker:
        if marker in seen:
            message = "the service answers GetDurableExecutionState with the same marker again and again"
            raise BackendError(message, retryable=True)
        if len(seen) == _MAX_PAGES:
            message = f"the state of this execution does not end after {_MAX_PAGES:,} pages"
            raise BackendError(message, retryable=True)
        seen.add(marker)
        page = backend.get_execution_state(arn, token, marker, max_items)
        yield page.operations or ()
        marker = page.next_marker
