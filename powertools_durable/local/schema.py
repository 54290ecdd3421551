"""The tables of a store, how its file is opened, and how an older version is migrated.

Texts that may be large (inputs, results, errors of operations) are in columns that a start, `list` and a search do not
read: ``executions.result``, ``operations.record`` and ``events.event``.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.execution_records import CallbackTimers, ExecutionRecords, Header
from powertools_durable._service.naming import NamedPlace
from powertools_durable._service.view import is_waited_for
from powertools_durable.local.database_file import make_if_missing
from powertools_durable.local.problems import StoreError
from powertools_durable.parser.stored import Stored

__all__ = [
    "BUSY_SECONDS",
    "HEADER",
    "RECORD",
    "TIMERS",
    "Opened",
    "callback_row",
    "columns_of",
    "open_file",
    "started_as",
    "waits_of",
]

_APPLICATION_ID = 0x50544455  # "PTDU"
_VERSION = 3
_FULL = 1  # auto_vacuum: commits make the file smaller, at the cost of moving pages
BUSY_SECONDS = 10.0  # that SQLite waits for another process to finish its transaction
_connect = sqlite3.connect  # bound at import: a Tracer in a handler's module patches it

_EXECUTIONS = (
    """
    CREATE TABLE executions (
        number INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, id TEXT NOT NULL, name TEXT NOT NULL,
        started_as TEXT UNIQUE, status TEXT NOT NULL, ended REAL, targets TEXT, version INTEGER NOT NULL,
        header TEXT NOT NULL, result TEXT)
    """,
    "CREATE INDEX executions_id ON executions (id)",
    "CREATE INDEX executions_name ON executions (name)",
    "CREATE INDEX executions_status ON executions (status, ended)",
)
_OPERATIONS = ("CREATE TABLE operations (arn TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (arn, id))",)
_SINCE_2 = (
    "ALTER TABLE operations ADD COLUMN look INTEGER",  # `Header.looks` at a change that is unseen
    "ALTER TABLE operations ADD COLUMN moved INTEGER",
    "ALTER TABLE operations ADD COLUMN waits TEXT",  # its display name while the execution waits for it
    "CREATE INDEX operations_waits ON operations (arn, waits, id) WHERE waits IS NOT NULL",
    """
    CREATE TABLE callbacks (
        arn TEXT NOT NULL, id TEXT NOT NULL, callback_id TEXT, name TEXT, above TEXT, timers TEXT NOT NULL,
        PRIMARY KEY (arn, id)) WITHOUT ROWID
    """,
    "CREATE INDEX callbacks_id ON callbacks (callback_id)",
    "CREATE INDEX callbacks_name ON callbacks (name)",
    "CREATE INDEX callbacks_above ON callbacks (above)",
)
# Not WITHOUT ROWID, as it was before: SQLite would read whole events, payloads included, to compare their keys.
_EVENTS = (
    "CREATE TABLE events (arn TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (arn, number))",
)

HEADER = Stored(Header)
RECORD = Stored(Operation)
TIMERS = Stored(CallbackTimers)
_APART = frozenset(
    {"result", "unseen", "moved", "callbacks"}
)  # fields of the header that have columns and rows of their own


def columns_of(header: Header) -> tuple[str, float | None, str, str | None]:
    """Return the columns of an execution: status, end, header, result."""
    ended = header.ended.timestamp() if header.ended is not None else None
    return header.status, ended, HEADER.write(header, without=_APART), header.result


def started_as(arn: str) -> str:
    """Return an execution's function and name, which are unique together."""
    return arn.rpartition("/")[0]


def callback_row(operations: dict[str, Operation], record: Operation, timers: CallbackTimers) -> tuple[Any, ...]:
    """Return a callback's id, its names and its timers."""
    above = operations.get(record.parent_id or "")
    callback_id = record.callback_details.callback_id if record.callback_details else None
    return callback_id, record.name, above.name if above else None, TIMERS.write(timers)


def waits_of(record: Operation, place: Callable[[str], NamedPlace]) -> str | None:
    """Return the display name of a record that the execution waits for; None for others."""
    return place(record.id).called.label if is_waited_for(record) else None


# -- opening ---------------------------------------------------------------------------------------------------


class Opened:
    """A store's connection.

    Attributes
    ----------
    connection : sqlite3.Connection
        To the store's file, or to a copy of it if it is read-only and of an older version.
    is_writable : bool
        False if this user may only read it.
    """

    def __init__(self, connection: sqlite3.Connection, *, is_writable: bool) -> None:
        self.connection = connection
        self.is_writable = is_writable


def open_file(path: Path) -> Opened:
    """Open a store; create it and its folder if missing.

    Raises
    ------
    StoreError
        It can't be opened, or is not a store.
    sqlite3.Error
        It is damaged, or locked for too long.
    """
    if not _may_be_written(path):
        return Opened(_read_only(path), is_writable=False)
    connection = _connected(str(path))
    try:
        if _version_of(connection, path) != _VERSION:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that `prune` can shrink the file
            _migrate(connection, path)
        elif connection.execute("PRAGMA auto_vacuum").fetchone() == (_FULL,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # a `prune` was killed, or runs now
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return Opened(connection, is_writable=True)


def _may_be_written(path: Path) -> bool:
    """Create the file if missing; return False if this user may only read it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_if_missing(path)  # SQLite gives -wal and -shm the same mode
    except OSError as error:
        if path.is_file() and os.access(path, os.R_OK):
            return False
        raise _unopened(path, error.errno) from None
    if path.is_dir() or not os.access(path, os.R_OK):
        raise _unopened(path, errno.EISDIR if path.is_dir() else errno.EACCES)
    if not os.access(path, os.W_OK):
        return False
    return os.access(path.parent, os.W_OK) or _beside(path, "-shm").exists()


def _unopened(path: Path, number: int | None) -> StoreError:
    return StoreError(f"the store {path} can't be opened: {os.strerror(number or errno.EIO)}", retryable=False)


def _read_only(path: Path) -> sqlite3.Connection:
    """Open a read-only store; if no process has it open, it needs no files beside it."""
    connection = _connected(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        log = _beside(path, "-wal")
        if log.exists() and log.stat().st_size:
            message = (
                f"{path} is read-only, and part of it is in {log.name}: copy both to a folder that you can write to"
            )
            raise StoreError(message, retryable=False) from None
        connection = _connected(f"file:{quote(str(path))}?immutable=1", uri=True)
    try:
        if _version_of(connection, path) == _VERSION:
            return connection
        copied = _connected("")  # a temporary file, which is deleted with the connection
        connection.backup(copied)
        _migrate(copied, path)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return copied


def _connected(where: str, *, uri: bool = False) -> sqlite3.Connection:
    return _connect(
        where, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64, uri=uri
    )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a store; 0 for an empty file."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        message = f"{path} is a SQLite file of another program; name another file"
        raise StoreError(message, retryable=False)
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 1 <= version <= _VERSION:
        message = f"{path} has store version {version}, this package reads up to {_VERSION}; name another file"
        raise StoreError(message, retryable=False)
    return version


# -- creating and migrating ------------------------------------------------------------------------------------


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables, or those that are newer than the store: all of them, or none if the process is killed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version_of(connection, path)  # another process may have done it
        if version == 0:
            _run(connection, (*_EXECUTIONS, *_OPERATIONS, *_SINCE_2, *_EVENTS))
        if version == 1:
            _run(connection, ("ALTER TABLE executions RENAME TO executions_1", *_EXECUTIONS, *_SINCE_2))
            _move_executions(connection)
            _run(connection, ("DROP TABLE executions_1",))
        if version in {1, 2}:
            _run(connection, ("ALTER TABLE events RENAME TO events_2", *_EVENTS))
            _run(connection, ("INSERT INTO events SELECT * FROM events_2", "DROP TABLE events_2"))
        _run(connection, (f"PRAGMA application_id = {_APPLICATION_ID}", f"PRAGMA user_version = {_VERSION}"))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _move_executions(connection: sqlite3.Connection) -> None:
    """Copy the executions of version 1, oldest first: of several with one name a start finds the oldest."""
    seen: set[str] = set()
    rows = connection.execute("SELECT rowid, arn, name, targets, version, header FROM executions_1 ORDER BY rowid")
    for number, arn, name, targets, version, text in rows:
        identity = started_as(arn)
        key = None if identity in seen else identity
        seen.add(identity)
        try:
            header = HEADER.read(text)
            kept = columns_of(header)
        except ValueError:  # reported when it is read
            header, kept = None, ("DAMAGED", None, text, None)
        connection.execute(
            "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, arn, arn.rpartition("/")[2], name, key, *kept[:2], targets, version, *kept[2:]),
        )
        if header is not None and header.status == "RUNNING":
            _mark_operations(connection, header)


def _mark_operations(connection: sqlite3.Connection, header: Header) -> None:
    rows = connection.execute("SELECT record FROM operations WHERE arn = ? ORDER BY rowid", (header.arn,)).fetchall()
    try:
        operations = {record.id: record for record in (RECORD.read(row[0]) for row in rows)}
    except ValueError:  # reported when it is read
        return
    place = ExecutionRecords(header, operations).place
    for record in operations.values():
        look = header.looks if record.id in header.unseen else None
        waits = waits_of(record, place)
        if look is not None or waits is not None:
            connection.execute(
                "UPDATE operations SET look = ?, moved = ?, waits = ? WHERE arn = ? AND id = ?",
                (look, record.id in header.moved, waits, header.arn, record.id),
            )
        if record.id in header.callbacks:
            row = callback_row(operations, record, header.callbacks[record.id])
            connection.execute("INSERT INTO callbacks VALUES (?, ?, ?, ?, ?, ?)", (header.arn, record.id, *row))
