"""A read-only view of an execution."""

from __future__ import annotations

import json
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.execution_records import ExecutionRecords
from powertools_durable._service.history import HistoryEvent

__all__ = ["ExecutionView", "is_waited_for"]

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
        return self._execution.place(record.id).called.label

    def reference(self, record: Operation) -> str:
        """Return what an open callback can be called by: its display name, or its path if others have that name."""
        place = self._execution.place(record.id).called
        names = (place.label, place.path, place.numbered)
        return next((name for name in names if len(self.open_callbacks_called(name)) == 1), place.numbered)

    def path(self, record: Operation) -> str:
        """Return a record's path and number, ``etl > map-item-7 > extract #1``, which no other operation has."""
        return self._execution.place(record.id).numbered

    def open_callbacks_called(self, text: str) -> list[Operation]:
        """Return the open callbacks with *text* as id, display name or path.

        That of a ``wait_for_callback`` is called as that operation is, too. A path is ``etl > map-item-7 > approval``;
        a number after it says which of several: ``vote #2``.
        """
        return [record for record in self.open_callbacks if self.is_called(record, text)]

    def is_called(self, record: Operation, text: str) -> bool:
        """Return whether *text* is a record's name, display name, path, or callback id."""
        place = self._execution.place(record.id)
        details = record.callback_details
        is_its_id = details is not None and details.callback_id == text
        return is_its_id or place.is_called(text) or place.called.is_called(text)

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


def is_waited_for(record: Operation) -> bool:
    """Return whether the execution waits for *record*."""
    return record.status in _PENDING and (record.type in _WAITING or record.status is OperationStatus.PENDING)
