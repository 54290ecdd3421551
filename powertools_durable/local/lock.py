"""One process runs an execution at a time.

The lock is an exclusive transaction on an empty SQLite file beside the store: a portable file lock, which the system
releases when the process ends, in whatever way.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from powertools_durable.errors import ValidationError
from powertools_durable.local.database_file import make_if_missing
from powertools_durable.local.store import SqliteStore

__all__ = ["forget_lock", "is_running", "running"]

_connect = sqlite3.connect  # bound at import: a Tracer in a handler's module patches it
_GLANCE = 0.25  # seconds to wait for a lock: `is_running` holds it for a moment


@contextmanager
def running(store: SqliteStore, arn: str) -> Iterator[None]:
    """Hold the right to run an execution.

    Raises
    ------
    ValidationError
        Another process, or another runner in this process, runs it.
    StoreError
        The store may only be read.
    """
    store.check_writable()
    path = _lock_file(store, arn)
    make_if_missing(path)
    with closing(_connect(path, timeout=_GLANCE, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            message = f"execution {arn.rpartition('/')[2]} is being run by another process; wait for it, or stop it"
            raise ValidationError(message) from None
        yield
        execution = store.header(arn)
    if execution is None or execution.ended is not None:  # its lock is no longer needed
        forget_lock(store, arn)


def is_running(store: SqliteStore, arn: str) -> bool:
    """Return whether a process holds `running`; works for a read-only store too."""
    path = _lock_file(store, arn)
    if not path.exists():
        return False
    try:
        with closing(_connect(f"file:{quote(str(path))}?mode=ro", timeout=0, isolation_level=None, uri=True)) as lock:
            lock.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as problem:
        return getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return False


def forget_lock(store: SqliteStore, arn: str) -> None:
    """Remove the lock file of an execution that will not run again."""
    with suppress(OSError):
        _lock_file(store, arn).unlink()


def _lock_file(store: SqliteStore, arn: str) -> Path:
    digest = hashlib.sha256(arn.encode()).hexdigest()[:16]  # an ARN is not a valid file name
    return store.path.with_name(f"{store.path.name}.{digest}.lock")
