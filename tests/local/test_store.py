"""The SQLite store: docs/reliability.md#fault-rows, row 72, and what another process sees."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime

import pytest

from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.host import Host
from powertools_durable.local import SqliteStore, StoreError, schema
from powertools_durable.local.lock import is_running, running
from powertools_durable.local.store import SystemIds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"
ARN = f"{FUNCTION}/durable-execution/n/1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "executions.sqlite"


@pytest.fixture
def kept(path):
    opened = SqliteStore(path)
    yield opened
    opened.close()


def numbered(number):
    return f"{FUNCTION}/durable-execution/n-{number}/{number}"


def begun(kept, arn=ARN, payload='{"a": 1}'):
    execution = ServiceExecution.start(arn, "n", payload, NOW, SystemIds())
    with kept.transaction():
        kept.save(execution)
        execution.saved()
    return execution


def raw(path, statement):
    """Do something to the file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def other(path):
    return SqliteStore(path, must_exist=True)


# -- what is kept ----------------------------------------------------------------------------------------------


def test_another_process_reads_what_was_saved(kept, path):
    execution = begun(kept)
    found = other(path).load(ARN)
    assert found is not execution
    assert (found.header, found.operations, found.history) == (
        execution.header,
        execution.operations,
        execution.history,
    )


def test_what_another_process_changed_is_read_anew(kept, path):
    begun(kept)
    theirs = other(path)
    with theirs.transaction():
        loaded = theirs.load(ARN)
        loaded.stop(NOW)
        theirs.save(loaded)
        loaded.saved()
    assert kept.load(ARN).header.status == "STOPPED"
    assert [event["EventType"] for event in kept.load(ARN).history] == ["ExecutionStarted", "ExecutionStopped"]


def test_nothing_is_written_when_nothing_changed(kept, path):
    execution = begun(kept)
    version = "SELECT version FROM executions"
    before = raw(path, version)
    with kept.transaction():
        kept.save(execution)
    assert raw(path, version) == before


def test_a_transaction_that_raises_leaves_file_and_memory_as_they_were(kept):
    begun(kept)
    with pytest.raises(RuntimeError), kept.transaction():
        loaded = kept.load(ARN)
        loaded.stop(NOW)
        kept.save(loaded)
        raise RuntimeError
    assert kept.load(ARN).header.status == "RUNNING"


def test_executions_come_in_the_order_of_their_start(kept):
    for number in (3, 1, 2):
        begun(kept, numbered(number))
    assert [arn[-1] for arn in kept] == ["3", "1", "2"]


def test_only_its_owner_reads_it(kept, path):
    begun(kept)
    with running(kept, ARN):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert any(name.endswith(".lock") for name in modes)


def test_the_watcher_is_told_after_the_commit_only(kept):
    told = []
    kept.on_saved = lambda: told.append(len(list(kept)))
    with pytest.raises(RuntimeError), kept.transaction():
        kept.save(ServiceExecution.start(ARN, "n", None, NOW, SystemIds()))
        raise RuntimeError
    assert told == []
    begun(kept)
    assert told == [1]


# -- who runs it -----------------------------------------------------------------------------------------------


def test_one_runner_at_a_time(kept, path):
    begun(kept)
    with running(kept, ARN):
        assert is_running(other(path), ARN)
        with pytest.raises(Exception, match="being run by another process"), running(other(path), ARN):
            pass
    assert not is_running(other(path), ARN)
    with running(other(path), ARN):
        pass


def test_two_executions_of_a_store_run_side_by_side(kept):
    begun(kept)
    begun(kept, numbered(2))
    with running(kept, ARN), running(kept, numbered(2)):
        pass


def test_the_lock_of_an_ended_execution_is_removed(kept, path):
    begun(kept)
    with running(kept, ARN), kept.transaction():
        execution = kept.load(ARN)
        execution.stop(NOW)
        kept.save(execution)
    assert not list(path.parent.glob("*.lock"))


# -- row 72: what goes wrong -----------------------------------------------------------------------------------


def test_row_72_a_locked_store_is_a_clear_error_and_loses_nothing(kept, path, monkeypatch):
    begun(kept)
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    blocked = other(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked; another process") as caught, blocked.transaction():
            pytest.fail("the transaction must not begin")
        blocker.execute("ROLLBACK")
    assert caught.value.retryable
    with blocked.transaction():
        assert blocked.load(ARN) is not None


def test_row_72_a_full_disk_is_an_error_and_the_checkpoint_did_not_happen(kept):
    begun(kept)
    host = Host(kept, _Clock(), SystemIds())
    pages = kept._connection.execute("PRAGMA page_count").fetchone()[0]  # noqa: SLF001 - the disk's size
    kept._connection.execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001
    with pytest.raises(StoreError, match="full; look at its disk") as caught:
        for number in range(1000):
            host.start(numbered(number), "n", '"x"' * 1000)
    assert caught.value.retryable
    assert len(list(kept)) == len({kept.load(arn).header.arn for arn in kept})


@pytest.mark.parametrize(("table", "column"), [("executions", "header"), ("operations", "record"), ("events", "event")])
def test_row_72_a_damaged_record_is_named_and_not_shown(kept, path, table, column):
    begun(kept, payload='{"secret": "canary"}')
    raw(path, f"UPDATE {table} SET {column} = substr({column}, 1, length({column}) - 3)")
    with pytest.raises(StoreError, match="execution 1 .* is damaged") as caught:
        other(path).load(ARN)
    assert "canary" not in str(caught.value)
    assert not caught.value.retryable


def test_row_72_a_torn_file_is_an_error(kept, path):
    for number in range(50):
        begun(kept, numbered(number), payload='"' + "x" * 4000 + '"')
    kept.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="restore it from a copy, or name another file"):
        torn = other(path)
        for arn in torn:
            torn.load(arn)


# -- opening ---------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 100)
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(path)
    assert path.read_text() == "hello " * 100


def test_the_database_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    raw(path, "CREATE TABLE mine (a)")
    with pytest.raises(StoreError, match="SQLite file of another program"):
        SqliteStore(path)
    assert raw(path, "SELECT name FROM sqlite_master") == [("mine",)]


def test_a_store_of_another_version_is_refused(kept, path):
    raw(path, "PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="version 7, this package reads up to 3"):
        other(path)


def test_looking_does_not_make_a_store(path):
    with pytest.raises(StoreError, match="nothing was run there yet"):
        SqliteStore(path, must_exist=True)
    assert not path.exists()


def test_a_folder_in_the_place_of_the_file_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="can't be opened: Is a directory"):
        SqliteStore(tmp_path)


class _Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0
