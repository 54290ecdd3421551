"""All records of the execution by id."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from powertools_durable._protocol.lifecycle import supersedes
from powertools_durable._protocol.operation import Operation

__all__ = ["ExecutionState"]


class ExecutionState:
    """The records of the execution, as this invocation knows them.

    Powertools recognises a durable context by the first two attributes, and its Idempotency utility recognises a replay
    by ``len(operations) > 1``. Therefore the EXECUTION record is one of the operations.

    Attributes
    ----------
    durable_execution_arn : str
        ARN of the execution.
    operations : dict[str, Operation]
        The newest version of every record, by id. Any thread may read it at any time, because records are replaced,
        never modified.
    on_change : Callable | None
        Called with the id of each record that changes, on the thread that merges a response.
    """

    __slots__ = ("_changed", "durable_execution_arn", "on_change", "operations")

    def __init__(self, arn: str, records: Iterable[Operation] = ()) -> None:
        self.durable_execution_arn = arn
        self.operations: dict[str, Operation] = {}
        self._changed: deque[str] | None = None
        self.on_change: Callable[[str], None] | None = None
        self.absorb(records)

    def absorb(self, records: Iterable[Operation]) -> None:
        """Merge records; an older version never replaces a newer one (docs/reliability.md#fault-rows, rows 35-38)."""
        operations, changed = self.operations, self._changed
        for record in records:
            identifier = record.id
            known = operations.get(identifier)
            if known is None or supersedes(record, known):
                operations[identifier] = record
                if changed is not None:
                    changed.append(identifier)
                if self.on_change is not None:
                    self.on_change(identifier)

    def put(self, record: Operation) -> None:
        """Store a record that is newer than the stored one."""
        self.operations[record.id] = record
        if self._changed is not None:
            self._changed.append(record.id)
        if self.on_change is not None:
            self.on_change(record.id)

    # -- changes -------------------------------------------------------------------------------------------

    def track_changes(self) -> None:
        """Start to track which records change."""
        self._changed = deque()

    def take_changed(self) -> list[str]:
        """Return the ids of the records that have changed since the last call, and forget them."""
        changed = self._changed
        ids: dict[str, None] = {}
        while changed:
            ids[changed.popleft()] = None
        return list(ids)
