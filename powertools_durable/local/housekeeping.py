"""Removes ended executions from a store, and copies a store into one file.

SQLite lets one process write at a time, and the others give up after some seconds. So `prune` works in portions: each
is a transaction that frees or moves a bounded number of pages, or those of one execution. Between two of them it rests
until every waiting process had its turn.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from powertools_durable._service.invocations import child_id
from powertools_durable.errors import ValidationError
from powertools_durable.local.lock import forget_lock, is_running
from powertools_durable.local.store import SqliteStore, StoreError

__all__ = ["Pruned", "copy_store", "prune"]

_MOST_EXECUTIONS = 500  # that one transaction removes
_MOST_PAGES = 8_192  # of 4 KiB, after which a transaction ends: it takes some 0.5 s
_REST = 0.11  # seconds; a waiting process looks every 0.1 s whether the store is free
_NO_AUTO_VACUUM = 0  # a store that version 1 created; only VACUUM changes that
_TABLES = ("operations", "events", "callbacks", "executions")
_real_sleep = time.sleep  # bound at import: a test that patches it means the handler's


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a prune.

    Attributes
    ----------
    executions : int
        Executions that were removed.
    bytes : int
        Bytes by which the file shrank.
    free_bytes : int
        Bytes of the file that are free: later executions use them.
    """

    executions: int
    bytes: int
    free_bytes: int


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

    def select(below: int) -> list[tuple[int, str]]:
        return store.query(  # newest first: they lie at the end of the file, which is cut off
            "SELECT number, arn FROM executions WHERE status != 'RUNNING' AND number < :below"
            " AND (:before IS NULL OR ended < :before) AND (:name IS NULL OR name GLOB :name)"
            " ORDER BY number DESC LIMIT :most",
            below=below,
            before=ended_before.timestamp() if ended_before is not None else None,
            name=name.replace("[", "[[]") if name is not None else None,
            most=_MOST_EXECUTIONS,
        )

    if only_count:
        return Pruned(_count(store, select), 0, _bytes(store, _free_pages(store)))
    before = _pages(store)
    removed, below = 0, sys.maxsize
    with _shrinking(store):
        while select(below):
            if below != sys.maxsize:
                _rest()
            count, below = _remove(store, select, below)
            removed += count
    smaller = max(0, before - _pages(store))
    return Pruned(removed, _bytes(store, smaller), _bytes(store, _free_pages(store)))


def _count(store: SqliteStore, select: Callable[[int], list[tuple[int, str]]]) -> int:
    """Return how many executions would be removed, those that they invoked included."""
    counted: set[str] = set()
    below = sys.maxsize
    while rows := select(below):
        awaited = _awaited(store)
        for below, arn in rows:  # noqa: B007 - the last one is where the next portion begins
            if arn not in counted and _is_unused(store, arn, awaited):
                counted.update(_with_invoked(store, arn))
    return len(counted)


def _awaited(store: SqliteStore) -> set[str]:
    """Return the ids of the executions whose answer a caller waits for: without it, it would invoke them again."""
    rows = store.query(
        "SELECT o.arn, o.id FROM operations o JOIN executions e ON e.arn = o.arn"
        " WHERE o.waits IS NOT NULL AND e.status = 'RUNNING'"
    )
    return {child_id(*row) for row in rows}


def _is_unused(store: SqliteStore, arn: str, awaited: set[str]) -> bool:
    return arn.rpartition("/")[2] not in awaited and not is_running(store, arn)


def _remove(store: SqliteStore, select: Callable[[int], list[tuple[int, str]]], below: int) -> tuple[int, int]:
    """Remove executions until a portion is full; return their count, and the number of the last one checked."""
    removed: list[str] = []
    number = below
    with store.transaction():
        store.execute("PRAGMA auto_vacuum = FULL")  # again each time: another process may have opened the store
        awaited = _awaited(store)
        most = _free_pages(store) + _MOST_PAGES
        for number, arn in select(below):  # noqa: B007 - the last one is returned
            if arn not in removed and _is_unused(store, arn, awaited):
                removed += _remove_with_invoked(store, arn)
            if _free_pages(store) >= most:
                break
    for arn in removed:
        forget_lock(store, arn)
    return len(removed), number


def _remove_with_invoked(store: SqliteStore, arn: str) -> list[str]:
    removed = _with_invoked(store, arn)
    for one in removed:
        for table in _TABLES:
            store.execute(f"DELETE FROM {table} WHERE arn = ?", one)  # noqa: S608 - our own names
        store.forget(one)
    return removed


def _with_invoked(store: SqliteStore, arn: str) -> list[str]:
    """Return an execution and all that it invoked, by whatever number of steps."""
    arns = [arn]
    for one in arns:  # grows: the executions that it invoked are appended
        arns += [child for child in _invoked_by(store, one) if child not in arns]
    return arns


def _invoked_by(store: SqliteStore, arn: str) -> Iterator[str]:
    for (key,) in store.query("SELECT id FROM operations WHERE arn = ?", arn):
        rows = store.query("SELECT arn FROM executions WHERE id = ? AND status != 'RUNNING'", child_id(arn, key))
        yield from (row[0] for row in rows)


@contextmanager
def _shrinking(store: SqliteStore) -> Iterator[None]:
    """Shrink the file with each transaction of the block; pages in use by then are left to a later prune.

    The cost of ``auto_vacuum = FULL``, which `_remove` sets, is proportional to the free pages, all of which it gives
    back in one commit. So what was free before (a migration frees the old tables) is given back first, in portions.
    ``incremental_vacuum`` can do that, but is slow after `_remove`: for each free page at the end of the file it
    searches the whole list of free pages. If the process is killed, FULL stays until the store is opened again.
    """
    can_shrink = store.query("PRAGMA auto_vacuum")[0][0] != _NO_AUTO_VACUUM
    if can_shrink:
        for _ in range(-(-_free_pages(store) // _MOST_PAGES)):
            store.maintain(f"PRAGMA incremental_vacuum({_MOST_PAGES})")
            _rest()
    before = _free_pages(store)
    try:
        yield
    finally:
        with suppress(StoreError):
            store.maintain("PRAGMA auto_vacuum = INCREMENTAL")
    with suppress(StoreError):
        if not can_shrink and _free_pages(store) != before and _pages(store) - _free_pages(store) <= _MOST_PAGES:
            _rest()
            store.maintain("VACUUM")  # writes all that is left, in one transaction
        store.truncate_log()


def _rest() -> None:
    """Let every process that waits for the store have its turn."""
    _real_sleep(_REST)


def _free_pages(store: SqliteStore) -> int:
    return int(store.query("PRAGMA freelist_count")[0][0])


def _pages(store: SqliteStore) -> int:
    return int(store.query("PRAGMA page_count")[0][0])


def _bytes(store: SqliteStore, pages: int) -> int:
    return pages * int(store.query("PRAGMA page_size")[0][0])


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
