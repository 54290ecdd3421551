"""Looks at what a store holds, answers callbacks, stops: everything that needs no handler."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationType
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.validation import ServiceRefusal
from powertools_durable._service.view import ExecutionView
from powertools_durable.errors import ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.local.change import changing
from powertools_durable.local.lock import is_running
from powertools_durable.local.store import SqliteStore, StoreError
from powertools_durable.parser.stored import input_text

__all__ = ["LocalCallback", "LocalExecution", "LocalExecutions", "ambiguous"]


class LocalExecution(ExecutionView):
    """An execution in a store, read anew at each look."""

    def __init__(self, store: SqliteStore, arn: str) -> None:
        self._store = store
        self._arn = arn

    def __repr__(self) -> str:
        return f"<LocalExecution {self.name} {self.status}>"

    @property
    def _execution(self) -> ServiceExecution:
        found = self._store.load(self._arn)
        if found is None:
            message = f"execution {self._arn.rpartition('/')[2]} is no longer in {self._store.path}"
            raise StoreError(message, retryable=False)
        return found

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self._arn.rpartition("/")[2]

    @property
    def target(self) -> str | None:
        """Where its handler is, if the command line started it."""
        return self.targets.get("")

    @property
    def targets(self) -> dict[str, str]:
        """Where the functions are that it may invoke, by name; its own handler has the name ``""``."""
        return self._store.targets(self._arn)

    @property
    def started(self) -> datetime:
        """When it began, UTC-aware."""
        return self._execution.header.started

    @property
    def ended(self) -> datetime | None:
        """When it ended, UTC-aware."""
        return self._execution.header.ended

    @property
    def is_running(self) -> bool:
        """True while a process stays with it."""
        return is_running(self._store, self._arn)

    @property
    def is_a_child(self) -> bool:
        """True when another execution invoked it: that one runs it."""
        return self.id.startswith(self.name)

    @property
    def is_invoked(self) -> bool:
        """True while its handler runs, or when the process that ran it was killed."""
        return self._execution.header.invoking_since is not None

    @property
    def invocations(self) -> int:
        """How often its handler was called."""
        return self._execution.header.invocations

    @property
    def input(self) -> Any:
        """The event, as JSON reads it."""
        record = next(r for r in self._execution.operations.values() if r.type is OperationType.EXECUTION)
        details = record.execution_details
        text = details.input_payload if details else None
        return json.loads(text) if text else None

    def callbacks(self, text: str) -> list[LocalCallback]:
        """Return the open callbacks of that name or id."""
        return [LocalCallback(self._store, self, record) for record in self.open_callbacks_called(text)]

    def expires(self, callback: Operation) -> datetime | None:
        """Return when an open callback times out; None for never."""
        timers = self._execution.header.callbacks.get(callback.id)
        return timers.next() if timers else None


class LocalExecutions:
    """The executions of a store, the oldest first."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __iter__(self) -> Iterator[LocalExecution]:
        return (LocalExecution(self._store, arn) for arn in self._store)

    def find(self, text: str | None = None) -> LocalExecution:
        """Return the execution of that id, beginning of an id, name or ARN.

        Parameters
        ----------
        text : str | None
            None: the one that was started last and has not ended.

        Raises
        ------
        LookupError
            There is none, or more than one.
        """
        if text is None:
            return self._newest()
        everything = list(self)
        exact = [one for one in everything if text in (one.id, one.name, one.arn)]
        found = exact or [one for one in everything if text and one.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            message = f"{text!r} fits {len(found)} executions; say the id: {', '.join(one.id for one in found)}"
            raise LookupError(message)
        known = ", ".join(one.name for one in everything[-5:]) or "none"
        message = f"no execution has the id or name {text!r} in {self._store.path}; the last ones are: {known}"
        raise LookupError(message)

    def _newest(self) -> LocalExecution:
        for one in reversed(list(self)):
            if one.status == "RUNNING" and not one.is_a_child:
                return one
        message = f"no execution in {self._store.path} is still running; say which one you mean"
        raise LookupError(message)

    def callback(self, text: str, *, execution: str | None = None) -> LocalCallback:
        """Return the open callback of that id or name.

        Parameters
        ----------
        text : str
            The callback's id, its name, or the name of its ``wait_for_callback``.
        execution : str | None
            Look in this execution only; its id or name.

        Raises
        ------
        LookupError
            No such callback waits for an answer, or more than one does.
        """
        where = [self.find(execution)] if execution else list(self)
        open_ones = [(one, record) for one in where for record in one.open_callbacks]
        found = [callback for one in where for callback in one.callbacks(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise LookupError(ambiguous(text, [callback.execution.name for callback in found]))
        # An id is a secret, and what was not found may be one with a typing error: it is not repeated.
        names = ", ".join(f"{one.label(record)!r} of {one.name}" for one, record in open_ones) or "none"
        message = f"no callback of that name or id waits for an answer in {self._store.path}; open: {names}"
        raise LookupError(message)

    def stop(self, text: str) -> LocalExecution:
        """End an execution from outside; its handler is not asked.

        Raises
        ------
        LookupError
            There is none of that id or name.
        ValidationError
            It has ended already.
        """
        one = self.find(text)
        with changing(self._store, one.arn) as (execution, now):
            if execution.is_terminal:
                message = f"{one.name} has ended already: {execution.header.status}"
                raise ValidationError(message)
            execution.stop(now)
        return one


@dataclass(frozen=True)
class LocalCallback:
    """An open callback, to be answered as somebody outside would."""

    _store: SqliteStore
    execution: LocalExecution
    record: Operation

    @property
    def _id(self) -> str:
        details = self.record.callback_details
        return (details.callback_id if details else None) or ""

    def succeed(self, value: Any = None) -> None:
        """Answer with *value*, sent as JSON text; None answers without a payload.

        Raises
        ------
        ValidationError
            *value* has no JSON, or nobody waits for it any more.
        """
        result = input_text(value, "the answer")
        with _answering(self._store, self.execution) as (execution, now):
            execution.complete_callback(self._id, now, result=result)

    def fail(self, error: Exception | ErrorObject | str = "") -> None:
        """Answer with a failure."""
        with _answering(self._store, self.execution) as (execution, now):
            execution.complete_callback(self._id, now, error=answer_error(error))

    def heartbeat(self) -> None:
        """Give a sign of life: the heartbeat's timer begins anew."""
        with _answering(self._store, self.execution) as (execution, now):
            execution.heartbeat(self._id, now)


def ambiguous(name: str, executions: Sequence[str]) -> str:
    """Say what to do about several open callbacks of one name."""
    if len(set(executions)) == 1:
        one = executions[0]
        return (
            f"{len(executions)} callbacks of {one} have the name {name!r}; say the id, which `show {one} --json` tells"
        )
    names = ", ".join(dict.fromkeys(executions))
    return f"{len(executions)} callbacks have the name {name!r}; say which execution: {names}"


@contextmanager
def _answering(store: SqliteStore, one: LocalExecution) -> Iterator[tuple[ServiceExecution, datetime]]:
    refused: ServiceRefusal | None = None
    try:
        with changing(store, one.arn) as held:
            yield held
    except ServiceRefusal as error:
        refused = error
    if refused is not None:
        message = f"the callback of {one.name} can't be answered: {refused}"
        raise ValidationError(message)
