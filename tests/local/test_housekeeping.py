"""`prune` and the copy of a whole store: what goes, what stays, and a process that dies in between."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalExecutions, LocalRunner, SqliteStore, StoreError, housekeeping
from powertools_durable.local.housekeeping import copy_store, prune


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


@durable
def echo(event, ctx):
    return ctx.step(lambda: event, name="echo")


@durable
def asks(event, ctx):
    return ctx.create_callback(name="approval").result()


@durable
def pays(event, ctx):
    return ctx.step(lambda: paid.append(event) or 7, name="pay")


@durable
def buys(event, ctx):
    value = ctx.invoke("payments", event, name="invoke")
    ctx.create_callback(name="approval").result()
    return value


paid: list[object] = []


def names(path):
    return [one.name for one in LocalExecutions(SqliteStore(path))]


def filled(path, count=12, size=10):
    runner = LocalRunner(echo, path, skip_time=True)
    for number in range(count):
        runner.run("x" * size, name=f"{'order' if number % 2 else 'parcel'}-{number}")
    return runner.store


# -- what goes -------------------------------------------------------------------------------------------------


def test_the_ended_of_a_name_go_and_the_others_stay(path):
    store = filled(path)
    LocalRunner(asks, path).run(name="order-open", wait=False)
    assert prune(store, name="order-*", only_count=True).executions == 6
    assert len(names(path)) == 13
    assert prune(store, name="order-*").executions == 6
    assert names(path) == [*(f"parcel-{number}" for number in range(0, 12, 2)), "order-open"]
    assert prune(store, name="order-*").executions == 0


@pytest.mark.parametrize(("ago", "left"), [(timedelta(days=1), 2), (timedelta(), 0)])
def test_the_ended_of_an_age_go(path, ago, left):
    store = filled(path, 2)
    prune(store, ended_before=datetime.now(UTC) - ago + timedelta(milliseconds=1))
    assert len(names(path)) == left


@pytest.mark.parametrize("pattern", ["order-[0-9]", "ORDER-1", "order"])
def test_a_pattern_has_no_more_than_star_and_question_mark(path, pattern):
    assert prune(filled(path), name=pattern).executions == 0


def test_nothing_of_what_was_removed_is_left(path):
    store = filled(path, 4)
    prune(store, name="*")
    with closing(sqlite3.connect(path)) as connection:
        tables = ("executions", "operations", "events", "callbacks")
        assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables] == [0] * 4


def test_the_file_becomes_smaller(path):
    store = filled(path, 6, size=400_000)
    before = path.stat().st_size
    done = prune(store, name="order-*")
    assert done.bytes > 3 * 400_000
    assert before - path.stat().st_size > 3 * 400_000


def test_the_file_becomes_smaller_although_another_process_opens_it_meanwhile(path, monkeypatch):
    """Failed with the mode set once, before the first transaction: free pages were left."""
    monkeypatch.setattr(housekeeping, "_MOST_EXECUTIONS", 1)
    monkeypatch.setattr(housekeeping, "forget_lock", lambda *_: SqliteStore(path).close())
    store = filled(path, 6, size=100_000)
    assert prune(store, name="*").executions == 6
    assert store.query("PRAGMA freelist_count") == [(0,)]


def test_a_prune_costs_what_it_removes(path, monkeypatch):
    """Failed with a VACUUM in each transaction (pages), and with `incremental_vacuum(1)` page by page (statements)."""
    monkeypatch.setattr(housekeeping, "_MOST_EXECUTIONS", 5)
    store = filled(path, 80, size=30_000)
    connection = store._connection  # noqa: SLF001 - SQLite says what it does
    log, pages, statements = path.with_name(f"{path.name}-wal"), [], []
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # each page that is written stays in the log

    def note(statement):
        pages.append(log.stat().st_size / 4096)  # before the statement, of which the last one empties the log
        statements.append(statement)

    connection.set_trace_callback(note)
    done = prune(store, name="order-*")
    connection.set_trace_callback(None)
    assert done.executions == 40
    assert max(pages) <= 5 * done.bytes / 4096
    assert len(statements) <= 10 * done.executions


def written_by(version, path):
    """Make a store as an older version did, with 400 large events: half of its pages are free once it is migrated."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA auto_vacuum = {'NONE' if version == 1 else 'INCREMENTAL'}")
        connection.executescript((Path(__file__).parent / f"version_{version}.sql").read_text())
        arn = connection.execute("SELECT arn FROM executions WHERE arn LIKE '%/ended/%'").fetchone()[0]
        rows = [(arn, number, json.dumps("x" * 10_000)) for number in range(100, 500)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def stopped_in(path):
    LocalExecutions(SqliteStore(path)).stop("asking")


def small(path):
    filled(path, 60, size=100)


def large(path):
    filled(path, 12, size=400_000)


@pytest.mark.parametrize(
    ("make", "name", "most"),
    [
        (small, "order-*", 100),
        (large, "order-*", 900),  # an execution has 600
        (lambda path: written_by(2, path), "ended", 1_200),
        (lambda path: written_by(1, path), "ended", 1_200),  # one execution has 1,000
        (lambda path: stopped_in(written_by(2, path)), "asking", 300),
        (lambda path: written_by(2, path), "no-such-name", 300),
    ],
    ids=["small", "large", "version-2", "version-1", "version-2-small", "version-2-none"],
)
def test_a_prune_writes_in_portions_and_another_process_may_write_after_each(path, monkeypatch, make, name, most):
    """Failed with 50 executions in each transaction, with all free pages in the first, and with any VACUUM."""
    monkeypatch.setattr(housekeeping, "_MOST_PAGES", 200)
    monkeypatch.setattr(housekeeping, "_MOST_EXECUTIONS", 5)
    make(path)
    store = SqliteStore(path)
    connection = store._connection  # noqa: SLF001 - SQLite says what it does
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # each page that is written stays in the log
    log, sizes, begins = path.with_name(f"{path.name}-wal"), [], [0]

    def note(statement):
        begins[-1] += statement.startswith(("BEGIN", "PRAGMA incremental_vacuum", "VACUUM"))
        if "wal_checkpoint" in statement:
            sizes.append(log.stat().st_size)

    def other_process_writes():
        begins.append(0)
        sizes.append(log.stat().st_size)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("PRAGMA wal_autocheckpoint = 0")
            other.execute("UPDATE executions SET targets = '{}' WHERE number = 1")

    monkeypatch.setattr(housekeeping, "_rest", other_process_writes)
    connection.set_trace_callback(note)
    prune(store, name=name)
    connection.set_trace_callback(None)
    written = [(after - before) / 4096 for before, after in pairwise([0, *sizes])]
    assert max(written) <= most, written  # each page that moves, and those that refer to it
    assert max(begins) <= 1, begins
    assert len(begins) > 1


def test_a_store_of_version_1_is_told_to_be_copied_to_become_smaller(path, monkeypatch):
    monkeypatch.setattr(housekeeping, "_MOST_PAGES", 10)
    written_by(1, path)
    store = SqliteStore(path)
    done = prune(store, name="ended")
    assert (done.executions, done.bytes, done.free_bytes > 8_000_000) == (1, 0, True)
    copy_store(store, path.with_name("copy"))
    assert path.with_name("copy").stat().st_size < 500_000
    copy = SqliteStore(path.with_name("copy"))
    assert copy.query("PRAGMA auto_vacuum") == [(2,)]
    assert len(list(copy)) == len(list(store)) == 6


def test_a_small_store_of_version_1_becomes_smaller(path):
    written_by(1, path)
    done = prune(SqliteStore(path), name="ended")
    assert (done.executions, done.bytes > 8_000_000, done.free_bytes) == (1, True, 0)


def test_a_prune_does_not_wait_for_readers_while_others_want_to_write(path):
    """Failed with a checkpoint that waits: for ten seconds, in which nobody could write."""
    store = filled(path, 4)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM executions").fetchone()
        waited = []
        store._connection.set_trace_callback(waited.append)  # noqa: SLF001 - SQLite says what it does
        assert prune(store, name="order-*").executions == 2
        store._connection.set_trace_callback(None)  # noqa: SLF001
    checkpoint = waited.index("PRAGMA wal_checkpoint(TRUNCATE)")
    assert waited[checkpoint - 1] == "PRAGMA busy_timeout = 0"
    assert store.query("PRAGMA busy_timeout") == [(10_000,)]


def test_a_name_that_was_pruned_begins_anew(path):
    store = filled(path, 2)
    old = LocalExecutions(store).find("order-1").id
    prune(store, name="order-1")
    new = LocalRunner(echo, store, skip_time=True).run("other input", name="order-1")
    assert (new.result, new.id == old) == ("other input", False)


# -- what stays ------------------------------------------------------------------------------------------------


def test_an_invoked_execution_whose_answer_nobody_has_taken_stays_and_its_effects_happen_once(path, monkeypatch):
    """Failed without the look at who is awaited: paid twice."""
    from powertools_durable._service.execution import ServiceExecution

    paid.clear()
    runner = LocalRunner(buys, path, functions={"payments": pays}, skip_time=True)
    taken = ServiceExecution.complete_invoke

    def dies(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(ServiceExecution, "complete_invoke", dies)
    with pytest.raises(KeyboardInterrupt):
        runner.run(4, name="caller", wait=False)
    monkeypatch.setattr(ServiceExecution, "complete_invoke", taken)
    child = next(one for one in runner.executions if one.is_a_child)
    assert child.status == "SUCCEEDED"
    assert prune(runner.store, name="*").executions == 0
    assert runner.resume("caller", wait=False).operation("invoke").status.value == "SUCCEEDED"
    assert paid == [4]
    assert prune(runner.store, name="*").executions == 1  # its answer was taken


def test_what_an_execution_invoked_goes_with_it(path):
    runner = LocalRunner(buys, path, functions={"payments": pays}, skip_time=True)
    runner.run(4, name="caller", answers={"approval": 1})
    assert prune(runner.store, name="caller", only_count=True).executions == 2
    assert prune(runner.store, name="caller").executions == 2
    assert names(path) == []


def test_one_that_a_process_stays_with_stays(path):
    from powertools_durable.local.lock import running

    store = filled(path, 2)
    with running(store, LocalExecutions(store).find("order-1").arn):
        assert prune(SqliteStore(path), name="*").executions == 1
    assert names(path) == ["order-1"]


# -- kill -9 ---------------------------------------------------------------------------------------------------


PRUNING = """
import sys
from powertools_durable.local import SqliteStore, housekeeping
housekeeping._MOST_EXECUTIONS = 2
housekeeping._rest = lambda: None
store = SqliteStore(sys.argv[1])
print("begins", flush=True)
housekeeping.prune(store, name="order-*")
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", range(6))
def test_kill_9_during_prune_leaves_each_execution_whole_or_gone_and_loses_none_that_stays(path, seed):
    moments = random.Random(seed)
    filled(path, 40, size=60_000).close()
    for _ in range(4):
        pruning = subprocess.Popen([sys.executable, "-c", PRUNING, str(path)], stdout=subprocess.PIPE, text=True)
        pruning.stdout.readline()
        time.sleep(moments.uniform(0, 0.06))
        pruning.send_signal(signal.SIGKILL)
        pruning.communicate()
        for one in LocalExecutions(SqliteStore(path)):
            assert (one.status, one.result, one.input) == ("SUCCEEDED", "x" * 60_000, "x" * 60_000)
            assert [record.name for record in one.operations] == ["echo"]
            assert [event["EventId"] for event in one.history()] == list(range(1, len(one.history()) + 1))
        assert [name for name in names(path) if "parcel" in name] == [f"parcel-{n}" for n in range(0, 40, 2)]
    prune(SqliteStore(path), name="order-*")
    assert names(path) == [f"parcel-{number}" for number in range(0, 40, 2)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


DYING = """
import os, signal, sys
from powertools_durable.local import SqliteStore, housekeeping
housekeeping._MOST_EXECUTIONS = 1
housekeeping.forget_lock = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
housekeeping.prune(SqliteStore(sys.argv[1]), name="order-*")
"""


def test_ctrl_c_during_prune_leaves_no_mode_behind_either(path, monkeypatch):
    store = filled(path, 4)
    monkeypatch.setattr(housekeeping, "_MOST_EXECUTIONS", 1)
    monkeypatch.setattr(housekeeping, "forget_lock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prune(store, name="order-*")
    assert store.query("PRAGMA auto_vacuum") == [(2,)]


def interrupted(*_):
    raise KeyboardInterrupt


def test_kill_9_during_prune_leaves_no_mode_behind_that_slows_the_next_writers(path):
    """Failed without the look at the mode when a store is opened."""
    filled(path, 4).close()
    assert subprocess.run([sys.executable, "-c", DYING, str(path)], check=False).returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (1,)
    assert SqliteStore(path).query("PRAGMA auto_vacuum") == [(2,)]


# -- the whole store in one file -------------------------------------------------------------------------------


def test_a_copy_is_one_file_with_all_that_was_acknowledged(path, tmp_path):
    store = filled(path, 3)
    assert path.with_name(f"{path.name}-wal").stat().st_size  # part of it is there only
    there = tmp_path / "copies"
    there.mkdir()
    copy_store(store, there / "copy.sqlite")
    assert [file.name for file in there.iterdir()] == ["copy.sqlite"]
    assert (there / "copy.sqlite").stat().st_mode & 0o777 == 0o600
    assert names(there / "copy.sqlite") == ["parcel-0", "order-1", "parcel-2"]
    assert LocalExecutions(SqliteStore(there / "copy.sqlite")).find("order-1").result == "x" * 10


def test_a_copy_overwrites_nothing(path, tmp_path):
    store = filled(path, 1)
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(ValidationError, match="exists already"):
        copy_store(store, tmp_path / "mine")
    with pytest.raises(StoreError, match="can't be written"):
        copy_store(store, tmp_path / "no-such-folder" / "copy")
    assert (tmp_path / "mine").read_text() == "precious"
    assert json.dumps([file.name for file in tmp_path.glob("*.part")]) == "[]"
