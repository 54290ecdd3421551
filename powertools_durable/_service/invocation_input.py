"""The input of an invocation (docs/contributing/protocol.md#invocation-input). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.state_pages import page
from powertools_durable._service.wire_cache import WireCache

__all__ = ["InvocationInput"]


@dataclass(frozen=True, slots=True)
class InvocationInput:
    """An execution as it was when an invocation began: a position in its log, not a copy.

    Attributes
    ----------
    arn : str
        The execution's ARN.
    token : str
        The invocation's first checkpoint token.
    log : Sequence[Operation]
        Every record at each of its changes. It may have grown since.
    length : int
        The log's length then.
    updated : Sequence[str]
        Ids of the operations that the service changed since the last invocation.
    page_items : int
        The most records on the first page.
    """

    arn: str
    token: str = field(repr=False)
    log: Sequence[Operation] = field(repr=False)
    length: int
    updated: Sequence[str] = field(repr=False)
    page_items: int = field(repr=False)

    def event(self, cache: WireCache | None = None) -> dict[str, Any]:
        """Return the handler's event; the caller may change it."""
        records: dict[str, Operation] = {}
        for record in self.log[: self.length]:
            records[record.id] = record
        first = page(records, self.token, "", self.page_items)
        return {
            "DurableExecutionArn": self.arn,
            "CheckpointToken": self.token,
            "InitialExecutionState": {
                "Operations": (cache or WireCache()).of(first.operations or ()),
                "NextMarker": first.next_marker or "",
            },
            "UpdatedOperationIds": list(self.updated),
        }
