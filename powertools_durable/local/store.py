"""Executions in one SQLite file: what was acknowledged survives kill -9 and a power cut.

Each change is one transaction in WAL mode with ``synchronous=FULL``; it begins by looking whether another process
changed the execution meanwhile, so a callback may be answered from anywhere. Who may *run* an execution:
`lock.py`.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.execution import Header, ServiceExecution
from powertools_durable.errors import BackendError
from powertools_durable.parser.stored import Stored

__all__ = ["SqliteStore", "StoreError", "SystemIds"]

_APPLICATION_ID = 0x50544455  # "PTDU": says whose file this is
_VERSION = 1
_BUSY_SECONDS = 10.0
_connect = sqlite3.connect  # as it is now: a Tracer in a handler's module patches it, and would trace this store
_RETRYABLE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)

_SCHEMA = f"""
CREATE TABLE executions (
    arn TEXT PRIMARY KEY, name TEXT NOT NULL, targets TEXT, version INTEGER NOT NULL, header TEXT NOT NULL);
CREATE TABLE operations (
    arn TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (arn, id));
CREATE TABLE events (
    arn TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (arn, number)) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""

_HEADER = Stored(Header)
_RECORD = Stored(Operation)


class StoreError(BackendError):
    """The store can't be read or written."""


class SystemIds:
    """Tokens and callback ids from the system's randomness."""

    def token(self) -> str:
        """Return a token nobody can guess."""
        return secrets.token_hex(24)

    def callback_id(self) -> str:
        """Return a callback id nobody can guess."""
        return secrets.token_hex(24)


class SqliteStore:
    """Keeps executions in a file that only its owner can read.

    Parameters
    ----------
    path : str | os.PathLike
        The file. It is made when it is missing, with its folder.
    must_exist : bool
        Refuse to make it.

    Raises
    ------
    StoreError
        The file is missing, not ours, from a newer version, damaged, or can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, must_exist: bool = False) -> None:
        self.path = Path(path)
        self.on_saved: Callable[[], None] | None = None
        self._lock = threading.RLock()
        self._known: dict[str, tuple[int, ServiceExecution]] = {}
        self._written: dict[str, str] = {}  # the header's text, so that nothing is written that did not change
        self._has_saved = False
        if must_exist and not self.path.exists():
            message = f"there is no store at {self.path}: nothing was run there yet"
            raise StoreError(message, retryable=False)
        with self._failing():
            self._connection = self._open()
        weakref.finalize(self, self._connection.close)  # a store that nobody holds any more is closed

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def close(self) -> None:
        """Close the file. Other processes are not disturbed."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives -wal and -shm the same mode
        except OSError as error:
            message = f"the store {self.path} can't be opened: {error.strerror}"
            raise StoreError(message, retryable=False) from None
        connection = _connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        is_new = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_new:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
        connection.execute("COMMIT")
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            message = f"{self.path} is a SQLite file of something else; name another file"
            raise StoreError(message, retryable=False)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            message = f"{self.path} has store version {version}, this package reads {_VERSION}; name another file"
            raise StoreError(message, retryable=False)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Say what SQLite's errors mean, without the statement or its values."""
        problem: sqlite3.Error | None = None
        try:
            yield
        except sqlite3.Error as error:
            problem = error
        if problem is None:
            return
        retryable = getattr(problem, "sqlite_errorcode", 0) & 0xFF in _RETRYABLE
        advice = "free it or its disk and try again" if retryable else "restore it, or name another file"
        message = f"the store {self.path} failed: {problem}; {advice}"
        raise StoreError(message, retryable=retryable)

    # -- as the host uses it -------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep every other thread and process from changing anything; all or nothing is written."""
        with self._lock, self._failing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._has_saved = False
                self._known.clear()  # what is in memory may be ahead of the file
                self._written.clear()
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            saved, self._has_saved = self._has_saved, False
        if saved and self.on_saved is not None:
            self.on_saved()

    def save(self, execution: ServiceExecution) -> None:
        """Write what changed since the last call."""
        arn = execution.header.arn
        header = _HEADER.write(execution.header)
        if not execution.changed and not execution.events and self._written.get(arn) == header:
            return
        version = self._known[arn][0] + 1 if arn in self._known else 1
        self._connection.execute(
            "INSERT INTO executions (arn, name, version, header) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (arn) DO UPDATE SET version = excluded.version, header = excluded.header",
            (arn, execution.header.name, version, header),
        )
        self._connection.executemany(
            "INSERT INTO operations VALUES (?, ?, ?) ON CONFLICT (arn, id) DO UPDATE SET record = excluded.record",
            [(arn, record.id, _RECORD.write(record)) for record in execution.changed.values()],
        )
        self._connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?)",
            [(arn, event["EventId"], json.dumps(event)) for event in execution.events],
        )
        self._known[arn] = (version, execution)
        self._written[arn] = header
        self._has_saved = True

    def load(self, arn: str) -> ServiceExecution | None:
        """Return the execution as it was last saved, by whomever; None when there is none."""
        with self._lock, self._failing():
            row = self._connection.execute("SELECT version FROM executions WHERE arn = ?", (arn,)).fetchone()
            if row is None:
                return None
            known = self._known.get(arn)
            if known is None or known[0] != row[0]:
                known = self._known[arn] = self._read(arn)
            return known[1]

    def _read(self, arn: str) -> tuple[int, ServiceExecution]:
        self._written.pop(arn, None)
        query = self._connection.execute
        try:
            query("SAVEPOINT reading")  # one moment for all three tables
            version, text = query("SELECT version, header FROM executions WHERE arn = ?", (arn,)).fetchone()
            records = [_RECORD.read(row[0]) for row in query(
                "SELECT record FROM operations WHERE arn = ? ORDER BY rowid", (arn,)
            )]  # fmt: skip
            events = [json.loads(row[0]) for row in query(
                "SELECT event FROM events WHERE arn = ? ORDER BY number", (arn,)
            )]  # fmt: skip
            header = _HEADER.read(text)
        except ValueError as error:
            message = f"execution {arn.rpartition('/')[2]} in {self.path} is damaged: {error}"
            raise StoreError(message, retryable=False) from None
        finally:
            query("RELEASE reading")
        operations = {record.id: record for record in records}
        return version, ServiceExecution(header, operations, SystemIds(), history=events)

    def __iter__(self) -> Iterator[str]:
        """Yield the ARNs of all executions, the oldest first."""
        with self._lock, self._failing():
            rows = self._connection.execute("SELECT arn FROM executions ORDER BY rowid").fetchall()
        return iter([row[0] for row in rows])

    def named(self, function: str, name: str) -> str | None:
        """Return the ARN of the oldest execution of that function and name; None when there is none."""
        prefix = f"{function}/durable-execution/{name}/"
        with self._lock, self._failing():
            row = self._connection.execute(
                "SELECT arn FROM executions WHERE arn >= ? AND arn < ? ORDER BY rowid LIMIT 1", (prefix, f"{prefix}~")
            ).fetchone()
        return row[0] if row else None

    def input(self, arn: str) -> str | None:
        """Return an execution's input as JSON text; nothing else of it is read."""
        with self._lock, self._failing():
            row = self._connection.execute(
                "SELECT record FROM operations WHERE arn = ? AND id = ?", (arn, arn.rpartition("/")[2])
            ).fetchone()
        details = _RECORD.read(row[0]).execution_details if row else None
        return details.input_payload if details else None

    # -- as the runner uses it -----------------------------------------------------------------------------

    def targets(self, arn: str) -> dict[str, str]:
        """Return where the handlers are, as `remember_targets` was told; its own has the name ``""``."""
        with self._lock, self._failing():
            row = self._connection.execute("SELECT targets FROM executions WHERE arn = ?", (arn,)).fetchone()
        return json.loads(row[0]) if row and row[0] else {}

    def remember_targets(self, arn: str, targets: Mapping[str, str]) -> None:
        """Keep where the handlers are, so that another process finds them."""
        with self._lock, self._failing():
            self._connection.execute("UPDATE executions SET targets = ? WHERE arn = ?", (json.dumps(targets), arn))
