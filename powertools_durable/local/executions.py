"""Looks at what a store holds, answers callbacks, stops: everything that needs no handler."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable._service.history import HistoryEvent
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable._service.view import ExecutionView
from powertools_durable.errors import ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.local.change import changing
from powertools_durable.local.lock import is_running
from powertools_durable.local.store import SqliteStore, StoreError
from powertools_durable.parser.stored import input_text

__all__ = ["LocalCallback", "LocalExecution", "LocalExecutions", "LocalSummary", "ambiguous"]

_MOST_NAMED = 5  # executions in a message
_LAST = "\U0010ffff"  # no text is greater
_OPEN_CALLBACKS = """
    FROM callbacks c JOIN executions e ON e.arn = c.arn WHERE e.status = 'RUNNING' AND (:arn IS NULL OR c.arn = :arn)
"""


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
            raise self._gone
        return found

    @property
    def _header(self) -> Header:
        found = self._store.header(self._arn)
        if found is None:
            raise self._gone
        return found

    @property
    def _gone(self) -> StoreError:
        return StoreError(f"execution {self.id} is no longer in {self._store.path}", retryable=False)

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return self._arn

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self._arn.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The execution's name."""
        return self._arn.split("/")[-2]

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``STOPPED``."""
        return self._header.status

    @property
    def error(self) -> ErrorObject | None:
        """What the execution failed with."""
        return self._header.error

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
        return self._header.started

    @property
    def ended(self) -> datetime | None:
        """When it ended, UTC-aware."""
        return self._header.ended

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
        return self._header.invoking_since is not None

    @property
    def invocations(self) -> int:
        """How often its handler was called."""
        return self._header.invocations

    @property
    def input(self) -> Any:
        """The event, as JSON reads it."""
        text = self._store.input(self._arn)
        return json.loads(text) if text else None

    @property
    def history_length(self) -> int:
        """How many events its history has."""
        return self._header.events

    def history_after(self, number: int) -> list[HistoryEvent]:
        """Return the events after the first *number* of them, the oldest first."""
        return self._execution.history[number:]

    def callbacks(self, text: str) -> list[LocalCallback]:
        """Return the open callbacks of that name or id."""
        return [LocalCallback(self._store, self, record) for record in self.open_callbacks_called(text)]

    def expires(self, callback: Operation) -> datetime | None:
        """Return when an open callback times out; None for never."""
        timers = self._execution.header.callbacks.get(callback.id)
        return timers.next() if timers else None


@dataclass(frozen=True, slots=True)
class LocalSummary:
    """What there is to say of an execution without reading its payloads.

    Attributes
    ----------
    id, name, arn, status : str
        As of `LocalExecution`.
    started, ended : datetime
        UTC-aware; None while it has not ended.
    invocations : int
        How often its handler was called.
    is_invoked, is_running : bool
        As of `LocalExecution`.
    error : ErrorObject | None
        What it failed with.
    target : str | None
        Where its handler is, if the command line started it.
    waiting_for : tuple[str, ...]
        Names of what keeps it from going on.
    """

    id: str
    name: str
    arn: str
    status: str
    started: datetime
    ended: datetime | None
    invocations: int
    is_invoked: bool
    is_running: bool
    error: ErrorObject | None
    target: str | None
    waiting_for: tuple[str, ...]


class LocalExecutions:
    """The executions of a store, the oldest first."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __iter__(self) -> Iterator[LocalExecution]:
        return (LocalExecution(self._store, arn) for arn in self._store)

    def count(self) -> int:
        """Return how many executions there are."""
        return int(self._store.query("SELECT count(*) FROM executions")[0][0])

    def summaries(self, newest: int | None = None) -> Iterator[LocalSummary]:
        """Yield a summary of each execution; how large their payloads are makes no difference.

        Parameters
        ----------
        newest : int | None
            Only so many, those that were started last; still the oldest first.
        """
        query = self._store.query
        rows = query(
            "SELECT number, arn, targets, header FROM executions ORDER BY number DESC LIMIT ?",
            -1 if newest is None else newest,
        )
        waits: dict[str, list[str]] = {}
        for arn, label in query(
            "SELECT o.arn, o.waits FROM executions e JOIN operations o ON o.arn = e.arn"
            " WHERE e.status = 'RUNNING' AND e.number >= ? AND o.waits IS NOT NULL ORDER BY o.rowid",
            rows[-1][0] if rows else 0,
        ):
            waits.setdefault(arn, []).append(label)
        for _, arn, targets, text in reversed(rows):
            header = self._store.read_header(arn, text)
            is_open = header.status == "RUNNING"
            yield LocalSummary(
                id=arn.rpartition("/")[2],
                name=header.name,
                arn=arn,
                status=header.status,
                started=header.started,
                ended=header.ended,
                invocations=header.invocations,
                is_invoked=header.invoking_since is not None,
                is_running=is_open and is_running(self._store, arn),
                error=header.error,
                target=json.loads(targets).get("") if targets else None,
                waiting_for=tuple(waits.get(arn, ())) if is_open else (),
            )

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
        query = self._store.query
        found = query(
            "SELECT arn, id FROM executions WHERE arn = :it OR id = :it OR name = :it ORDER BY number", it=text
        )
        if not found and text:  # what begins with it lies between it and the greatest text that does
            found = query(
                "SELECT arn, id FROM executions WHERE id > :start AND id < :start || :last ORDER BY number",
                start=text,
                last=_LAST,
            )
        if len(found) == 1:
            return LocalExecution(self._store, found[0][0])
        if found:
            more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
            ids = ", ".join(row[1] for row in found[:_MOST_NAMED])
            message = f"{text!r} fits {len(found)} executions; say the id: {ids}{more}"
            raise LookupError(message)
        newest = query("SELECT name FROM executions ORDER BY number DESC LIMIT ?", _MOST_NAMED)
        known = ", ".join(row[0] for row in reversed(newest)) or "none"
        message = f"no execution has the id or name {text!r} in {self._store.path}; the last ones are: {known}"
        raise LookupError(message)

    def _newest(self) -> LocalExecution:
        found = self._store.query(
            "SELECT arn FROM executions WHERE status = 'RUNNING' AND ended IS NULL"
            " AND substr(id, 1, length(name)) != name"
            " ORDER BY number DESC LIMIT 1"
        )
        if found:
            return LocalExecution(self._store, found[0][0])
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
        arn = self.find(execution).arn if execution else None
        rows = self._store.query(
            f"SELECT c.arn, c.id {_OPEN_CALLBACKS} AND (c.callback_id = :it OR c.name = :it OR c.above = :it)"
            " ORDER BY e.number",
            arn=arn,
            it=text,
        )
        found = [(LocalExecution(self._store, arn), self._store.operation(arn, key)) for arn, key in rows]
        callbacks = [LocalCallback(self._store, one, record) for one, record in found if record is not None]
        if len(callbacks) == 1:
            return callbacks[0]
        if callbacks:
            raise LookupError(ambiguous(text, [callback.execution.name for callback in callbacks]))
        # An id is a secret, and what was not found may be one with a typing error: it is not repeated.
        label = "(SELECT o.waits FROM operations o WHERE o.arn = c.arn AND o.id = c.id)"
        waiting = self._store.query(f"SELECT {label}, e.name {_OPEN_CALLBACKS} ORDER BY e.number LIMIT 20", arn=arn)
        names = ", ".join(f"{label!r} of {name}" for label, name in waiting) or "none"
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
