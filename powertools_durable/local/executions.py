"""Reads executions, answers callbacks and stops executions: everything that needs no handler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable._service.history import HistoryEvent
from powertools_durable._service.view import ExecutionView
from powertools_durable.errors import ValidationError
from powertools_durable.local.callbacks import LocalCallback, ambiguous, describe_closed
from powertools_durable.local.change import changing
from powertools_durable.local.lock import is_running
from powertools_durable.local.store import SqliteStore, StoreError

__all__ = ["LocalCallback", "LocalExecution", "LocalExecutions", "LocalSummary", "ambiguous"]

_MOST_SEARCHED = 20  # newest executions that are searched for a callback which is not open any more
_MOST_NAMED = 5  # executions that a message names
_LAST = "\U0010ffff"  # no text is greater
_OPEN_CALLBACKS = """
    FROM callbacks c JOIN executions e ON e.arn = c.arn WHERE e.status = 'RUNNING' AND (:arn IS NULL OR c.arn = :arn)
"""
_LABEL = "(SELECT o.waits FROM operations o WHERE o.arn = c.arn AND o.id = c.id)"


class LocalExecution(ExecutionView):
    """An execution in a store, read again at each access."""

    def __init__(self, store: SqliteStore, arn: str) -> None:
        self._store = store
        self._arn = arn

    def __repr__(self) -> str:
        return f"<LocalExecution {self.name} {self.status}>"

    @property
    def _execution(self) -> ServiceExecution:
        execution = self._store.load(self._arn)
        if execution is None:
            raise self._gone
        return execution

    @property
    def _header(self) -> Header:
        header = self._store.header(self._arn)
        if header is None:
            raise self._gone
        return header

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
        """Where to import its handler from, if the command line started it."""
        return self.targets.get("")

    @property
    def targets(self) -> dict[str, str]:
        """Where to import the functions from that it may invoke, by name; its own handler has the name ``""``."""
        return self._store.targets(self._arn)

    @property
    def started(self) -> datetime:
        """When it started, UTC-aware."""
        return self._header.started

    @property
    def ended(self) -> datetime | None:
        """When it ended, UTC-aware."""
        return self._header.ended

    @property
    def is_running(self) -> bool:
        """True while a process runs it."""
        return is_running(self._store, self._arn)

    @property
    def function(self) -> str:
        """The name of the function that it is an execution of, as its ARN has it."""
        return self._arn.partition(":function:")[2].partition(":")[0]

    @property
    def is_a_child(self) -> bool:
        """True if another execution invoked it; the process of that one runs it."""
        return self.id.startswith(self.name)

    @property
    def is_invoked(self) -> bool:
        """True while its handler runs, or if the process that ran it was killed."""
        return self._header.invoking_since is not None

    @property
    def invocations(self) -> int:
        """The number of invocations of its handler."""
        return self._header.invocations

    @property
    def input(self) -> Any:
        """The event, read from JSON."""
        text = self._store.input(self._arn)
        return json.loads(text) if text else None

    @property
    def history_length(self) -> int:
        """The number of events in its history."""
        return self._header.events

    def history_after(self, number: int) -> list[HistoryEvent]:
        """Return the events after the first *number*, oldest first."""
        return self._execution.history[number:]

    def callbacks(self, text: str) -> list[LocalCallback]:
        """Return the open callbacks with that name or id."""
        return [LocalCallback(self._store, self, record) for record in self.open_callbacks_called(text)]

    def operation_now(self, key: str) -> Operation | None:
        """Return one record as it is now."""
        return self._store.operation(self._arn, key)

    def expires(self, callback: Operation) -> datetime | None:
        """Return when an open callback times out; None if never."""
        return self.deadlines.get(callback.id)

    @property
    def deadlines(self) -> dict[str, datetime | None]:
        """When each open callback times out, by the callback's operation; heartbeats move it. None if never."""
        return self._execution.header.deadlines


@dataclass(frozen=True, slots=True)
class LocalSummary:
    """An execution without its payloads.

    Attributes
    ----------
    id, name, arn, status : str
        As in `LocalExecution`.
    started, ended : datetime
        UTC-aware; None while it has not ended.
    invocations : int
        The number of invocations of its handler.
    is_invoked, is_running : bool
        As in `LocalExecution`.
    error : ErrorObject | None
        What it failed with.
    target : str | None
        Where to import its handler from, if the command line started it.
    waiting_for : tuple[str, ...]
        Names of the operations that it waits for.
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
    """The executions of a store, oldest first."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __iter__(self) -> Iterator[LocalExecution]:
        return (LocalExecution(self._store, arn) for arn in self._store)

    def count(self) -> int:
        """Return the number of executions."""
        return int(self._store.query("SELECT count(*) FROM executions")[0][0])

    def summaries(self, newest: int | None = None) -> Iterator[LocalSummary]:
        """Yield a summary of each execution, oldest first, without reading payloads.

        Parameters
        ----------
        newest : int | None
            Only this many, those started last.
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
        """Return the execution with that id, prefix of an id, name or ARN.

        Parameters
        ----------
        text : str | None
            None for the one started last that has not ended.

        Raises
        ------
        LookupError
            There is none, or there are several.
        """
        if text is None:
            return self._newest()
        query = self._store.query
        rows = query(
            "SELECT arn, id FROM executions WHERE arn = :it OR id = :it OR name = :it ORDER BY number", it=text
        )
        if not rows and text:  # ids that start with it lie between it and the greatest such text
            rows = query(
                "SELECT arn, id FROM executions WHERE id > :start AND id < :start || :last ORDER BY number",
                start=text,
                last=_LAST,
            )
        if len(rows) == 1:
            return LocalExecution(self._store, rows[0][0])
        if rows:
            more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
            ids = ", ".join(row[1] for row in rows[:_MOST_NAMED])
            message = f"{text!r} matches {len(rows)} executions; use the id: {ids}{more}"
            raise LookupError(message)
        newest = query("SELECT name FROM executions ORDER BY number DESC LIMIT ?", _MOST_NAMED)
        known = ", ".join(row[0] for row in reversed(newest)) or "none"
        message = f"no execution has the id or name {text!r} in {self._store.path}; the last ones are: {known}"
        raise LookupError(message)

    def _newest(self) -> LocalExecution:
        rows = self._store.query(
            "SELECT arn FROM executions WHERE status = 'RUNNING' AND ended IS NULL"
            " AND substr(id, 1, length(name)) != name"
            " ORDER BY number DESC LIMIT 1"
        )
        if rows:
            return LocalExecution(self._store, rows[0][0])
        message = f"no execution in {self._store.path} is still running; name one by its id or name"
        raise LookupError(message)

    def callback(self, text: str, *, execution: str | None = None) -> LocalCallback:
        """Return the open callback with that id or name.

        Parameters
        ----------
        text : str
            The callback's id, display name or path, or those of its ``wait_for_callback``.
        execution : str | None
            Only search this execution; its id or name.

        Raises
        ------
        LookupError
            No such callback is open, or several are.
        """
        arn = self.find(execution).arn if execution else None
        select = f"SELECT c.arn, c.id {_OPEN_CALLBACKS} AND"
        name, is_whole = _name_in(text)
        rows = self._store.query(
            f"{select} (c.callback_id = :it OR c.name IN (:it, :name) OR c.above IN (:it, :name)) ORDER BY e.number",
            arn=arn,
            it=text,
            name=name,
        ) or self._store.query(  # the display name of one without a name
            f"{select} {_LABEL} IN (:it, :last) ORDER BY e.number", arn=arn, it=text, last=text.rpartition(" > ")[2]
        )
        callbacks = [
            LocalCallback(self._store, LocalExecution(self._store, arn), record)
            for arn, key in rows
            if (record := self._store.operation(arn, key)) is not None
        ]
        if not is_whole:  # a path: only now the executions are read
            callbacks = [one for one in callbacks if one.record in one.execution.open_callbacks_called(text)]
        if len(callbacks) == 1:
            return callbacks[0]
        if callbacks:
            raise LookupError(ambiguous(text, [(one.execution, one.record) for one in callbacks]))
        searched = [self.find(execution)] if execution else list(self)[: -_MOST_SEARCHED - 1 : -1]
        if (why := describe_closed(text, searched)) is not None:
            raise LookupError(why)
        # An id is a secret, and *text* may be a mistyped one, so the message does not repeat it.
        waiting = self._store.query(f"SELECT {_LABEL}, e.name {_OPEN_CALLBACKS} ORDER BY e.number LIMIT 20", arn=arn)
        names = ", ".join(f"{label!r} of {name}" for label, name in waiting) or "none"
        message = f"no open callback in {self._store.path} has that name or id; open: {names}"
        raise LookupError(message)

    def stop(self, text: str) -> LocalExecution:
        """End an execution from outside; its handler is not asked.

        Raises
        ------
        LookupError
            There is none with that id or name.
        ValidationError
            It has already ended.
        """
        one = self.find(text)
        with changing(self._store, one.arn) as (execution, now):
            if execution.is_terminal:
                message = f"{one.name} has already ended: {execution.header.status}"
                raise ValidationError(message)
            execution.stop(now)
        return one


def _name_in(text: str) -> tuple[str, bool]:
    """Return the name in *text*, which may be a path and have a number, and whether that is all of it."""
    name, mark, number = text.rpartition(" > ")[2].rpartition(" #")
    name = name if mark and number.isdecimal() else f"{name}{mark}{number}"
    return name, name == text
