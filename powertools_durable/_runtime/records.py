"""The records of the execution for plugins: instances of public classes, created on access."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from powertools_durable._protocol.operation import Operation
from powertools_durable.plugins import OperationInfo

__all__ = ["Records", "facts_of"]


def facts_of(record: Operation) -> dict[str, Any]:
    """Return the values in *record* under the names of `OperationInfo`."""
    step = record.step_details
    return {
        "status": record.status.value,
        "started_at": record.start_timestamp,
        "ended_at": record.end_timestamp,
        "attempt": record.attempts if step is not None else None,
        "next_attempt_at": step.next_attempt_timestamp if step is not None else None,
        "result": record.result,
        "error": record.error,
    }


class Records(Mapping[str, OperationInfo]):
    """A view of records by id.

    Parameters
    ----------
    records : Mapping[str, Operation]
        All records; the mapping may change.
    execution_arn : str
        The execution's ARN.
    is_replayed : Callable
        Takes an id, returns whether an earlier invocation began the operation.
    """

    def __init__(
        self, records: Mapping[str, Operation], execution_arn: str, is_replayed: Callable[[str], bool]
    ) -> None:
        self._records = records
        self._execution_arn = execution_arn
        self._is_replayed = is_replayed

    def __getitem__(self, identifier: str) -> OperationInfo:
        """Return the record as it is now."""
        record = self._records[identifier]
        return OperationInfo(
            execution_arn=self._execution_arn,
            id=record.id,
            type=record.type.value,
            sub_type=record.sub_type,
            name=record.name,
            parent_id=record.parent_id,
            is_replayed=self._is_replayed(record.id),
            **facts_of(record),
        )

    def __contains__(self, identifier: object) -> bool:
        """Return whether there is a record, without creating its info."""
        return identifier in self._records

    def __iter__(self) -> Iterator[str]:
        """Iterate over a copy of the ids: other threads may add records in the meantime."""
        return iter(list(self._records))

    def __len__(self) -> int:
        """Count the records."""
        return len(self._records)
