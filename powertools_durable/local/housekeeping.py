"""Removes ended executions from a store, and copies a store into one file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from powertools_durable._service.invocations import child_id
from powertools_durable.errors import ValidationError
from powertools_durable.local.lock import forget_lock, is_running
from powertools_durable.local.store import SqliteStore, StoreError

__all__ = ["Pruned", "copy_store", "prune"]

_AT_ONCE = 50  # executions that one transaction removes: other processes wait for it
_TABLES = ("operations", "events", "callbacks", "executions")


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a prune.

    Attributes
    ----------
    executions : int
        Executions that were removed.
    bytes : int
        Bytes by which the file shrank.
    """

    executions: int
    bytes: int


def prune(
    store: SqliteStore, *, ended_before: datetime | None = None, name: str | None = None, only_count: bool = False
) -> Pruned:
    """Remove executions that have ended.

    One that another execution still waits for, or that a process runs, is kept; those that a removed one invoked are
    removed with it. Each transaction removes whole executions and shrinks the file, so a process that is killed leaves
    no part of an execution.

    Parameters
    ----------
    store : SqliteStore
        The store.
    ended_before : datetime | None
        Only those that ended before this time; UTC-aware.
    name : str | None
        Only those whose name matches; ``*`` is any text, ``?`` any character.
    only_count : bool
        Count them and remove nothing.

    Raises
    ------
    StoreError
        The store can't be written.
    """
    store.check_writable()
    before = _size(store)
    removed, below = 0, sys.maxsize
    with nullcontext() if only_count else _giving_back(store):
        while True:
            rows = store.query(  # newest first: they lie at the end of the file, which is cut off
                "SELECT number, arn FROM executions WHERE status != 'RUNNING' AND number < :below"
                " AND (:before IS NULL OR ended < :before) AND (:name IS NULL OR name GLOB :name)"
                " ORDER BY number DESC LIMIT :at_once",
                below=below,
                before=ended_before.timestamp() if ended_before is not None else None,
                name=name.replace("[", "[[]") if name is not None else None,
                at_once=_AT_ONCE,
            )
            if not rows:
                break
            below = rows[-1][0]
            arns = [arn for _, arn in rows]
            removed += len(list(_unused(store, arns))) if only_count else _remove(store, arns)
    return Pruned(removed, max(0, before - _size(store)))


def _unused(store: SqliteStore, arns: list[str]) -> Iterator[str]:
    """Yield those that no process runs and no caller waits for: a caller without its answer would invoke again."""
    rows = store.query(
        "SELECT o.arn, o.id FROM operations o JOIN executions e ON e.arn = o.arn"
        " WHERE o.waits IS NOT NULL AND e.status = 'RUNNING'"
    )
    awaited = {child_id(*row) for row in rows}
    return (arn for arn in arns if arn.rpartition("/")[2] not in awaited and not is_running(store, arn))


def _remove(store: SqliteStore, arns: list[str]) -> int:
    with store.transaction():
        store.execute("PRAGMA auto_vacuum = FULL")  # again each time: another process may have opened the store
        unused = list(_unused(store, arns))
        for arn in unused:  # grows: the executions that it invoked are appended
            unused += [child for child in _invoked_by(store, arn) if child not in unused]
            for table in _TABLES:
                store.execute(f"DELETE FROM {table} WHERE arn = ?", arn)  # noqa: S608 - our own names
            store.forget(arn)
    for arn in unused:
        forget_lock(store, arn)
    return len(unused)


def _invoked_by(store: SqliteStore, arn: str) -> Iterator[str]:
    for (key,) in store.query("SELECT id FROM operations WHERE arn = ?", arn):
        rows = store.query("SELECT arn FROM executions WHERE id = ? AND status != 'RUNNING'", child_id(arn, key))
        yield from (row[0] for row in rows)


@contextmanager
def _giving_back(store: SqliteStore) -> Iterator[None]:
    """Shrink the file with each transaction of the block; pages in use by then are left to a later prune.

    The cost of ``auto_vacuum = FULL``, which `_remove` sets, is proportional to what is removed. ``incremental_vacuum``
    searches the list of all free pages for each page, which is quadratic. If the process is killed, FULL stays until
    the store is opened again.
    """
    is_of_an_older_version = not store.query("PRAGMA auto_vacuum")[0][0]
    before = store.query("PRAGMA freelist_count")
    yield
    with suppress(StoreError):
        store.maintain("PRAGMA auto_vacuum = INCREMENTAL")
        if is_of_an_older_version and store.query("PRAGMA freelist_count") != before:
            store.maintain("VACUUM")
        store.query("PRAGMA wal_checkpoint(TRUNCATE)")


def _size(store: SqliteStore) -> int:
    return int(store.query("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])


def copy_store(store: SqliteStore, to: Path) -> None:
    """Copy the store into one new, self-contained file.

    Raises
    ------
    ValidationError
        The file exists already.
    StoreError
        It can't be written.
    """
    to = to.expanduser().absolute()
    if to.exists():
        raise ValidationError(f"{to} exists already; name another file")
    part = to.with_name(f"{to.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        store.query("VACUUM INTO ?", str(part))
        part.replace(to)
    except OSError as error:
        raise StoreError(f"{to} can't be written: {error.strerror}", retryable=False) from None
    finally:
        part.unlink(missing_ok=True)
