"""Answers open callbacks, and says why one that is not open can't be answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable._service.view import ExecutionView
from powertools_durable.errors import ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.local.change import changing
from powertools_durable.local.store import SqliteStore
from powertools_durable.parser.stored import input_text

if TYPE_CHECKING:
    from powertools_durable.local.executions import LocalExecution

__all__ = ["LocalCallback", "ambiguous", "describe_closed"]

_MOST_NAMED = 5


@dataclass(frozen=True)
class LocalCallback:
    """An open callback, which can be answered from here."""

    _store: SqliteStore
    execution: LocalExecution
    record: Operation

    @property
    def _id(self) -> str:
        details = self.record.callback_details
        return (details.callback_id if details else None) or ""

    def succeed(self, value: Any = None) -> None:
        """Answer with *value* as JSON; None sends no payload.

        Raises
        ------
        ValidationError
            *value* can't be written as JSON, or the callback is no longer open.
        """
        result = input_text(value, "the answer")
        with self._answering() as (execution, now):
            execution.complete_callback(self._id, now, result=result)

    def fail(self, error: Exception | ErrorObject | str = "") -> None:
        """Answer with a failure."""
        with self._answering() as (execution, now):
            execution.complete_callback(self._id, now, error=answer_error(error))

    def heartbeat(self) -> None:
        """Restart the heartbeat timer."""
        with self._answering() as (execution, now):
            execution.heartbeat(self._id, now)

    @contextmanager
    def _answering(self) -> Iterator[tuple[ServiceExecution, datetime]]:
        is_refused = False
        try:
            with changing(self._store, self.execution.arn) as held:
                yield held
        except ServiceRefusal:
            is_refused = True
        if is_refused:
            raise ValidationError(_reason(self.execution, self.execution.operation_now(self.record.id) or self.record))


def ambiguous(name: str, callbacks: Sequence[tuple[ExecutionView, Operation]]) -> str:
    """Return the message for several open callbacks with one name."""
    names = list(dict.fromkeys(one.name for one, _ in callbacks))
    if len(names) == 1:
        references = ", ".join(repr(one.reference(record)) for one, record in callbacks[:_MOST_NAMED])
        return f"{len(callbacks)} callbacks of {names[0]} are named {name!r}; use one of: {references}"
    return f"{len(callbacks)} callbacks are named {name!r}; add --execution ID, of one of these: {', '.join(names)}"


def describe_closed(text: str, executions: Iterable[ExecutionView]) -> str | None:
    """Return why the callback called *text* in one of *executions* takes no answer; None if none is called so."""
    for one in executions:
        for record in one.operations:
            if record.type is OperationType.CALLBACK and one.is_called(record, text):
                return _reason(one, record)
    return None


def _reason(one: ExecutionView, record: Operation) -> str:
    label = f"callback {one.label(record)!r} of {one.name}"
    when = f" at {record.end_timestamp.astimezone():%Y-%m-%d %H:%M:%S}" if record.end_timestamp is not None else ""
    match record.status:
        case OperationStatus.SUCCEEDED | OperationStatus.FAILED:
            return f"{label} was answered already{when}; it takes one answer"
        case OperationStatus.TIMED_OUT:
            return f"{label} has expired{when}: nobody answered in time"
        case _ if one.status != "RUNNING":
            return f"{one.name} has ended, {one.status}: nothing waits for its callback {one.label(record)!r} any more"
        case _:
            return f"{label} has expired: its deadline has passed"
