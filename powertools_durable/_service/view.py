"""A read-only view of an execution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType, SubType
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.execution_records import ExecutionRecords
from powertools_durable._service.history import HistoryEvent

__all__ = ["ExecutionView", "is_waited_for", "label", "label_in"]

_PENDING = (OperationStatus.STARTED, OperationStatus.PENDING)
_WAITING = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class ExecutionView:
    """Reads an execution and changes nothing."""

    @property
    def _execution(self) -> ServiceExecution | ExecutionRecords:
        raise NotImplementedError

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return self._execution.header.arn

    @property
    def name(self) -> str:
        """The execution's name."""
        return self._execution.header.name

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``STOPPED``."""
        return self._execution.header.status

    @property
    def result(self) -> Any:
        """What the handler returned, as JSON reads it; None before that."""
        text = self._execution.header.result
        return json.loads(text) if text else None

    @property
    def result_text(self) -> str | None:
        """The JSON that the handler's result was written as; None before that."""
        return self._execution.header.result

    @property
    def error(self) -> ErrorObject | None:
        """What the execution failed with."""
        return self._execution.header.error

    @property
    def operations(self) -> list[Operation]:
        """Every record besides the execution's own, in the order of their start."""
        records = self._execution.operations.values()
        return [record for record in records if record.type is not OperationType.EXECUTION]

    def operation(self, name: str) -> Operation:
        """Return the only operation of that name.

        Raises
        ------
        LookupError
            There is none, or more than one.
        """
        matches = [record for record in self.operations if record.name == name]
        if len(matches) == 1:
            return matches[0]
        names = ", ".join(repr(record.name) for record in self.operations) or "none"
        message = f"{len(matches) or 'no'} operations are named {name!r}; there are: {names}"
        raise LookupError(message)

    @property
    def waiting_for(self) -> list[Operation]:
        """The timers, callbacks and invoked functions that the execution waits for."""
        if self._execution.is_terminal:
            return []
        return [record for record in self.operations if is_waited_for(record)]

    @property
    def open_callbacks(self) -> list[Operation]:
        """The callbacks that have no answer yet."""
        return [record for record in self.waiting_for if record.type is OperationType.CALLBACK]

    def label(self, record: Operation) -> str:
        """Return a record's display name; a callback of ``wait_for_callback`` has the name of that operation."""
        return label_in(self._execution.operations, record)

    def open_callbacks_called(self, text: str) -> list[Operation]:
        """Return the open callbacks with *text* as id, display name, or name of their ``wait_for_callback``."""
        records = self._execution.operations
        return [
            record
            for record in self.open_callbacks
            if text in _names(record) or text in _names(records.get(record.parent_id or ""))
        ]

    def open_callback(self, name: str) -> Operation:
        """Return the open callback of that name; also the name of its ``wait_for_callback``.

        Raises
        ------
        LookupError
            No callback of that name waits for an answer.
        """
        for record in self.open_callbacks_called(name):
            return record
        message = f"no callback named {name!r} waits for an answer"
        if self.status == "RUNNING":
            names = ", ".join(repr(self.label(record)) for record in self.open_callbacks) or "none"
            raise LookupError(f"{message}; open: {names}")
        why = f" with {self.error.error_type}: {self.error.error_message}" if self.error is not None else ""
        raise LookupError(f"{message}: the execution is {self.status}{why}")

    def history(self) -> list[HistoryEvent]:
        """Return the events as GetDurableExecutionHistory does, oldest first."""
        return list(self._execution.history)


def _names(record: Operation | None) -> tuple[str | None, ...]:
    if record is None:
        return ()
    details = record.callback_details
    return label(record), details.callback_id if details else None


def is_waited_for(record: Operation) -> bool:
    """Return whether the execution waits for *record*."""
    return record.status in _PENDING and (record.type in _WAITING or record.status is OperationStatus.PENDING)


def label_in(operations: Mapping[str, Operation], record: Operation) -> str:
    """Return a record's display name; a callback of ``wait_for_callback`` has the name of that operation."""
    above = operations.get(record.parent_id or "")
    if record.type is OperationType.CALLBACK and above is not None and above.sub_type == SubType.WAIT_FOR_CALLBACK:
        return above.name or label(record)
    return label(record)


def label(record: Operation) -> str:
    """Return a record's display name: its name, or the beginning of its id."""
    return record.name or record.id[:8]
