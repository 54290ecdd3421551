"""What an invocation is shown of its execution (docs/contributing/protocol.md#invocation-input). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.state_pages import page
from powertools_durable._service.wire_cache import Written

__all__ = ["Shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """The execution as it was when an invocation began: a place in its log, not a copy of it.

    Attributes
    ----------
    arn : str
        The execution's.
    token : str
        The invocation's first checkpoint token.
    log : Sequence[Operation]
        Every record as it was at each change. It may have grown since.
    length : int
        How much of it there was.
    updated : Sequence[str]
        Ids of what the service changed since the last invocation.
    page_items : int
        How many records the first page has at most.
    """

    arn: str
    token: str = field(repr=False)
    log: Sequence[Operation] = field(repr=False)
    length: int
    updated: Sequence[str] = field(repr=False)
    page_items: int = field(repr=False)

    def event(self, written: Written | None = None) -> dict[str, Any]:
        """Return the event that Lambda hands to the handler, the caller's to change."""
        records: dict[str, Operation] = {}
        for record in self.log[: self.length]:
            records[record.id] = record
        first = page(records, self.token, "", self.page_items)
        return {
            "DurableExecutionArn": self.arn,
            "CheckpointToken": self.token,
            "InitialExecutionState": {
                "Operations": (written or Written()).of(first.operations or ()),
                "NextMarker": first.next_marker or "",
            },
            "UpdatedOperationIds": list(self.updated),
        }
