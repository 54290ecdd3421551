"""A store that an older version wrote is opened: what was in it is there, runs on, and is found.

``version_1.sql`` is what the first version of the store wrote: an execution that ended, one that waits for a callback,
one whose callback was answered while nobody ran it, one that waits for one that it invoked, and two of one name that
two processes had started at once. ``version_2.sql`` is the same as the second version had it.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.local import LocalRunner, SqliteStore

VERSION = 3


@durable
def asks(event: dict, ctx):
    return ctx.create_callback(name="approval", timeout=3600, heartbeat_timeout=1200).result()


@durable
def pays(event: dict, ctx):
    return ctx.create_callback(name="paid").result()


@durable
def buys(event: dict, ctx):
    return ctx.invoke("payments", event, name="pay")


def written_by(version, path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript((Path(__file__).parent / f"version_{version}.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return path


@pytest.fixture(params=[1, 2])
def path(request, tmp_path):
    return written_by(request.param, tmp_path / "store.sqlite")


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_everything_is_there_in_the_order_of_its_start(path):
    there = LocalRunner(asks, path).executions
    assert version(path) == VERSION
    summaries = [(one.name, one.status, one.waiting_for) for one in there.summaries()]
    assert [one[:2] for one in summaries if one[1] != "RUNNING"] == [("ended", "SUCCEEDED")]
    assert [one[0] for one in summaries] == ["ended", "asking", "answered", "buying", summaries[4][0], "twice", "twice"]
    assert [one[2] for one in summaries] == [(), ("approval",), (), ("pay",), ("paid",), (), ()]
    ended = there.find("ended")
    assert (ended.result, ended.input, ended.invocations) == (1, {"id": 1}, 1)
    assert [event["EventId"] for event in ended.history()] == [1, 2, 3, 4, 5]
    assert there.find("asking").target == "old:asks"


def test_an_open_callback_has_its_timers_and_is_found(path):
    there = LocalRunner(asks, path).executions
    callback = there.callback("approval")
    assert callback.execution.name == "asking"
    started = callback.record.start_timestamp
    assert (callback.execution.expires(callback.record) - started).total_seconds() == 600
    assert there.callback(callback.record.callback_details.callback_id).execution.name == "asking"


def test_what_was_answered_meanwhile_is_gone_on_with(path):
    assert LocalRunner(asks, path).resume("answered").result == '"yes"'


def test_an_invoked_execution_is_found_again_by_its_caller(path):
    runner = LocalRunner(buys, path, functions={"payments": pays})
    runner.executions.callback("paid").succeed(7)
    assert runner.resume("buying").result == "7"
    assert len(list(runner.executions)) == 7


def test_of_several_of_one_name_a_start_goes_on_with_the_oldest(path):
    runner = LocalRunner(asks, path)
    runner._function = "old-charges"  # noqa: SLF001 - as it was called there
    assert runner.start({"id": 5}, name="twice").id == "1" + "0" * 31
    with pytest.raises(LookupError, match="matches 2 executions"):
        runner.executions.find("twice")


def test_its_tables_are_those_of_a_new_store(path, tmp_path):
    stores = SqliteStore(path), SqliteStore(tmp_path / "new.sqlite")
    tables = [store.query("SELECT type, name, tbl_name FROM sqlite_master ORDER BY name") for store in stores]
    assert tables[0] == tables[1]
    columns = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c ORDER BY m.name, c.cid"
    assert stores[0].query(columns) == stores[1].query(columns)
    plans = [store.query("EXPLAIN QUERY PLAN SELECT event FROM events WHERE arn = 'a'")[0][3] for store in stores]
    assert plans == ["SEARCH events USING INDEX sqlite_autoindex_events_1 (arn=?)"] * 2


def test_a_damaged_execution_is_said_when_it_is_looked_at_and_the_others_are_there(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE executions SET header = substr(header, 5) WHERE name = 'asking'")
    there = LocalRunner(asks, path).executions
    assert there.find("ended").result == 1
    with pytest.raises(Exception, match="is damaged"):
        assert there.find("asking").status


OPENING = "import sys; from powertools_durable.local import SqliteStore; SqliteStore(sys.argv[1])"


@pytest.mark.slow
def test_processes_that_open_it_at_once_bring_it_up_once(path):
    line = [sys.executable, "-c", OPENING, str(path)]
    openers = [subprocess.Popen(line, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [opener.communicate(timeout=120)[1] for opener in openers] == [""] * 4
    assert len(list(SqliteStore(path))) == 7


KILLED = """
import os, signal, sys
from powertools_durable.local import schema, SqliteStore
count = int(sys.argv[2])
def counting(connection, statements):
    global count
    for statement in statements:
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        count -= 1
        connection.execute(statement)
schema._run = counting
SqliteStore(sys.argv[1])
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("before", "after"), [(1, 1), (1, 4), (1, 9), (1, 13), (1, 16), (1, 18), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]
)
def test_kill_9_while_it_is_brought_up_leaves_it_as_it_was(tmp_path, before, after):
    """Failed without the transaction around it."""
    path = written_by(before, tmp_path / "store.sqlite")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(after)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert version(path) == before
    assert len(list(SqliteStore(path))) == 7
