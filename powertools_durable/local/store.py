"""Executions in one SQLite file: what was acknowledged survives kill -9 and a power failure.

Each change is one transaction in WAL mode with ``synchronous=FULL``. It first checks whether another process changed
the execution, so a callback may be answered from anywhere. Tables: `schema.py`. The right to *run* an execution:
`lock.py`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable.local.ids import SystemIds
from powertools_durable.local.problems import StoreError
from powertools_durable.local.schema import (
    HEADER,
    RECORD,
    TIMERS,
    Opened,
    callback_row,
    columns_of,
    open_file,
    started_as,
    waits_of,
)

__all__ = ["SqliteStore", "StoreError", "SystemIds"]

_BUSY = "another process has been writing to it for too long: try again"
_NO_SPACE = "look at its disk, and try again"
_ADVICE = {  # on errors that may not come again
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _NO_SPACE,
    sqlite3.SQLITE_IOERR: _NO_SPACE,
}
_MOST_KNOWN = 256  # executions kept in memory


class SqliteStore:
    """Stores executions in a file that only its owner can read.

    Parameters
    ----------
    path : str | os.PathLike
        The file. It is created with its folder if missing. ``~`` is the home folder; a relative path is resolved now,
        so a later change of the working directory does not matter.
    must_exist : bool
        Refuse to create it.

    Attributes
    ----------
    is_writable : bool
        False if this user may only read the file.

    Raises
    ------
    StoreError
        The file is missing, not a store, from a newer version, damaged, or can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, must_exist: bool = False) -> None:
        self.path = Path(path).expanduser().absolute()
        self.on_saved: Callable[[], None] | None = None
        self._lock = threading.RLock()
        self._known: dict[str, tuple[int, ServiceExecution]] = {}
        self._written: dict[str, str] = {}  # headers as written, to skip those that did not change
        self._has_saved = False
        self._process = os.getpid()
        if must_exist and not self.path.exists():
            message = f"there is no store at {self.path}: nothing was run there yet"
            raise StoreError(message, retryable=False)
        with self._failing():
            opened = open_file(self.path)
        self.is_writable = opened.is_writable
        self._connection = opened.connection
        weakref.finalize(self, _close, opened, self._process)  # closed when it is garbage

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def close(self) -> None:
        """Close the file. Other processes are not affected."""
        self._connection.close()

    def check_writable(self) -> None:
        """Refuse to change a read-only store.

        Raises
        ------
        StoreError
            This user may not write the file or its folder, or the process was forked from the one that opened it.
        """
        self._check_process()
        if not self.is_writable:
            message = (
                f"the store {self.path} is read-only here: list, show and export work. To change it, get write access "
                "to the file and its folder, or copy it"
            )
            raise StoreError(message, retryable=False)

    def _check_process(self) -> None:
        if os.getpid() != self._process:  # SQLite forbids it, and the execution belongs to the parent
            message = (
                f"the store {self.path} was opened by process {self._process}, and this is a child forked from it: "
                "nothing that it does is recorded. End the child where it was forked, with os._exit()"
            )
            raise StoreError(message, retryable=False)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Translate SQLite's errors, without the statement or its values."""
        self._check_process()
        problem: sqlite3.Error | None = None
        try:
            yield
        except sqlite3.Error as error:
            problem = error
        if problem is None:
            return
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        advice = _ADVICE.get(code, "restore it from a copy, or name another file")
        raise StoreError(f"the store {self.path} failed: {problem}; {advice}", retryable=code in _ADVICE)

    def query(self, statement: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT, with *values* for its ``?`` or *named* ones for its ``:name``."""
        with self._failing(), self._lock:
            return self._connection.execute(statement, named or values).fetchall()

    def execute(self, statement: str, *values: object) -> int:
        """Run a statement inside `transaction`; return the number of rows that it changed."""
        return self._connection.execute(statement, values).rowcount

    def maintain(self, statement: str) -> None:
        """Run a statement that may take several steps, in a transaction of its own."""
        with self._failing(), self._lock:
            self._connection.executescript(statement)  # `execute` would only run the first step

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file and empty it, unless another process uses it at this moment.

        It does not wait for that process: meanwhile no process could write.
        """
        with self._lock:
            usual = self.query("PRAGMA busy_timeout")[0][0]
            self.maintain("PRAGMA busy_timeout = 0")
            try:
                self.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self.maintain(f"PRAGMA busy_timeout = {usual}")

    def forget(self, arn: str) -> None:
        """Drop an execution from memory."""
        self._known.pop(arn, None)
        self._written.pop(arn, None)

    # -- as the host uses it -------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep every other thread and process from changing anything; write all or nothing.

        A nested transaction is part of the outer one.
        """
        self.check_writable()
        with self._lock, self._failing():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._has_saved = False
                self._known.clear()  # memory may be ahead of the file
                self._written.clear()
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._make_room()
            saved, self._has_saved = self._has_saved, False
        if saved and self.on_saved is not None:
            self.on_saved()

    def save(self, execution: ServiceExecution) -> None:
        """Write what changed since the last call."""
        arn, operations = execution.header.arn, execution.operations
        status, ended, header, result = columns_of(execution.header)
        if not (execution.changed or execution.events or execution.retimed) and self._written.get(arn) == header:
            return
        known = self._known.get(arn)
        version = known[0] + 1 if known is not None else 1
        if known is None:
            self._connection.execute(
                "INSERT INTO executions (arn, id, name, started_as, status, ended, version, header, result)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (arn, _id(arn), execution.header.name, started_as(arn), status, ended, version, header, result),
            )
        else:
            self._connection.execute(
                "UPDATE executions SET status = ?, ended = ?, version = ?, header = ?, result = ? WHERE arn = ?",
                (status, ended, version, header, result, arn),
            )
        self._connection.executemany(
            "INSERT INTO operations (arn, id, record, look, moved, waits) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (arn, id) DO UPDATE SET"
            " record = excluded.record, look = excluded.look, moved = excluded.moved, waits = excluded.waits",
            [_row(execution, record) for record in execution.changed.values()],
        )
        for key in execution.retimed:
            timers = execution.header.callbacks.get(key)
            if timers is None:
                self._connection.execute("DELETE FROM callbacks WHERE arn = ? AND id = ?", (arn, key))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO callbacks VALUES (?, ?, ?, ?, ?, ?)",
                    (arn, key, *callback_row(operations, operations[key], timers)),
                )
        self._connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?)",
            [(arn, event["EventId"], json.dumps(event)) for event in execution.events],
        )
        self._known[arn] = version, execution
        self._written[arn] = header
        self._has_saved = True

    def _make_room(self) -> None:
        """Drop executions from memory: all ended ones but the last, and the oldest if there are many."""
        ended = [arn for arn, (_, execution) in self._known.items() if execution.is_terminal]
        for arn in ended[:-1]:
            self.forget(arn)
        for arn in list(self._known)[:-_MOST_KNOWN]:
            self.forget(arn)

    def load(self, arn: str) -> ServiceExecution | None:
        """Return the execution as any process last saved it; None if there is none."""
        with self._failing(), self._lock:
            row = self._connection.execute("SELECT version FROM executions WHERE arn = ?", (arn,)).fetchone()
            if row is None:
                return None
            known = self._known.get(arn)
            if known is None or known[0] != row[0]:
                known = self._known[arn] = self._read(arn)
                if not self._connection.in_transaction:  # what is being changed stays in memory
                    self._make_room()
            return known[1]

    def _read(self, arn: str) -> tuple[int, ServiceExecution]:
        self.forget(arn)
        query = self._connection.execute
        try:
            query("SAVEPOINT reading")  # one snapshot of all tables
            version, text, result = query(
                "SELECT version, header, result FROM executions WHERE arn = ?", (arn,)
            ).fetchone()
            header = HEADER.read(text)
            header.result = result
            operations: dict[str, Operation] = {}
            for text, look, moved in query(
                "SELECT record, look, moved FROM operations WHERE arn = ? ORDER BY rowid", (arn,)
            ):
                record = RECORD.read(text)
                operations[record.id] = record
                if look == header.looks:
                    header.unseen.add(record.id)
                    if moved:
                        header.moved.add(record.id)
            for key, text in query("SELECT id, timers FROM callbacks WHERE arn = ?", (arn,)):
                header.callbacks[key] = TIMERS.read(text)
            events = [json.loads(row[0]) for row in query(
                "SELECT event FROM events WHERE arn = ? ORDER BY number", (arn,)
            )]  # fmt: skip
        except ValueError as error:
            raise self._damaged(arn, error) from None
        finally:
            query("RELEASE reading")
        return version, ServiceExecution(header, operations, SystemIds(), history=events)

    def header(self, arn: str) -> Header | None:
        """Return an execution's header without result, records and callbacks, which are not read.

        Raises
        ------
        StoreError
            It is damaged.
        """
        rows = self.query("SELECT header FROM executions WHERE arn = ?", arn)
        return self.read_header(arn, rows[0][0]) if rows else None

    def read_header(self, arn: str, text: str) -> Header:
        """Return a header from its text; raises as `header` does."""
        try:
            return HEADER.read(text)
        except ValueError as error:
            raise self._damaged(arn, error) from None

    def _damaged(self, arn: str, problem: ValueError) -> StoreError:
        return StoreError(f"execution {_id(arn)} in {self.path} is damaged: {problem}", retryable=False)

    def operation(self, arn: str, key: str) -> Operation | None:
        """Return one record of an execution, and read nothing else of it."""
        rows = self.query("SELECT record FROM operations WHERE arn = ? AND id = ?", arn, key)
        try:
            return RECORD.read(rows[0][0]) if rows else None
        except ValueError as error:
            raise self._damaged(arn, error) from None

    def __iter__(self) -> Iterator[str]:
        """Yield the ARNs of all executions, oldest first."""
        return iter([row[0] for row in self.query("SELECT arn FROM executions ORDER BY number")])

    # -- as the runner uses it -----------------------------------------------------------------------------

    def named(self, arn: str) -> str | None:
        """Return the ARN of the execution with the function and the name of *arn*; None if there is none."""
        rows = self.query("SELECT arn FROM executions WHERE started_as = ?", started_as(arn))
        return rows[0][0] if rows else None

    def input(self, arn: str) -> str | None:
        """Return an execution's input as JSON text, and read nothing else of it."""
        record = self.operation(arn, _id(arn))
        details = record.execution_details if record is not None else None
        return details.input_payload if details is not None else None

    def targets(self, arn: str) -> dict[str, str]:
        """Return the targets of `remember_targets`; the execution's own has the name ``""``."""
        rows = self.query("SELECT targets FROM executions WHERE arn = ?", arn)
        return json.loads(rows[0][0]) if rows and rows[0][0] else {}

    def remember_targets(self, arn: str, targets: Mapping[str, str]) -> None:
        """Store where to import the handlers from, so that another process finds them."""
        self.check_writable()
        with self._lock, self._failing():
            self._connection.execute("UPDATE executions SET targets = ? WHERE arn = ?", (json.dumps(targets), arn))


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _row(execution: ServiceExecution, record: Operation) -> tuple[object, ...]:
    header = execution.header
    look = header.looks if record.id in header.unseen else None
    waits = waits_of(record, execution.place)
    return header.arn, record.id, RECORD.write(record), look, record.id in header.moved, waits


def _close(opened: Opened, process: int) -> None:
    if os.getpid() == process:  # not in a forked child
        opened.connection.close()
