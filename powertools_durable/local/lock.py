"""One process runs an execution at a time.

The lock is an empty SQLite file beside the store, held by an exclusive transaction: a portable file lock, which the
system releases with the process, however that ends.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from powertools_durable.errors import ValidationError
from powertools_durable.local.store import SqliteStore

__all__ = ["is_running", "running"]

_connect = sqlite3.connect  # as it is now: a Tracer in a handler's module patches it


@contextmanager
def running(store: SqliteStore, arn: str) -> Iterator[None]:
    """Be the only one who runs an execution.

    Raises
    ------
    ValidationError
        Another process, or another runner in this one, runs it.
    """
    path = _lock_file(store, arn)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(_connect(path, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            message = f"execution {arn.rpartition('/')[2]} is being run by another process; wait for it, or stop it"
            raise ValidationError(message) from None
        yield
        execution = store.load(arn)
    if execution is not None and execution.is_terminal:  # nobody needs its lock any more
        with suppress(OSError):
            path.unlink()


def is_running(store: SqliteStore, arn: str) -> bool:
    """Tell whether somebody holds `running`."""
    if not _lock_file(store, arn).exists():
        return False
    try:
        with running(store, arn):
            return False
    except ValidationError:
        return True


def _lock_file(store: SqliteStore, arn: str) -> Path:
    digest = hashlib.sha256(arn.encode()).hexdigest()[:16]  # an ARN is no file name
    return store.path.with_name(f"{store.path.name}.{digest}.lock")
