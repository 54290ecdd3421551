"""One process runs an execution at a time.

The lock is an empty SQLite file beside the store, held by an exclusive transaction: a portable file lock, which the
system releases with the process, however that ends.
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

_connect = sqlite3.connect  # as it is now: a Tracer in a handler's module patches it
_GLANCE = 0.25  # seconds that a lock is waited for: who only looks whether it is held holds it for a moment


@contextmanager
def running(store: SqliteStore, arn: str) -> Iterator[None]:
    """Be the only one who runs an execution.

    Raises
    ------
    ValidationError
        Another process, or another runner in this one, runs it.
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
    if execution is None or execution.ended is not None:  # nobody needs its lock any more
        forget_lock(store, arn)


def is_running(store: SqliteStore, arn: str) -> bool:
    """Tell whether somebody holds `running`; a store that may only be read can be asked too."""
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
    """Remove the lock file of an execution that nobody will run."""
    with suppress(OSError):
        _lock_file(store, arn).unlink()


def _lock_file(store: SqliteStore, arn: str) -> Path:
    digest = hashlib.sha256(arn.encode()).hexdigest()[:16]  # an ARN is no file name
    return store.path.with_name(f"{store.path.name}.{digest}.lock")
