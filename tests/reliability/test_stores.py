"""The disk is full, the file is locked or torn, two run at once.

See docs/reliability.md#fault-rows, row 72; with the runner on top.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalRunner, SqliteStore, StoreError, schema
from powertools_durable.local.lock import running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def shop(ran, size=10):
    """Six steps with a result of *size* characters each."""

    def body(n):
        ran.append(n)
        return "x" * size + str(n)

    @durable
    def handler(event, ctx):
        return [ctx.step(body, n, name=f"s{n}")[-1] for n in range(6)]

    return handler


LIMITED = """
    import resource, signal, sys, os
    sys.path.insert(0, {root!r})
    from powertools_durable.errors import DurableError
    from powertools_durable.local import LocalRunner
    from tests.reliability.test_stores import shop
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    runner = LocalRunner(shop([], size=50_000), {path!r}, skip_time=True)
    one = runner.start(None, name="big")
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    try:
        runner.resume(one.id)
    except DurableError as error:
        print(type(error).__name__, error.retryable, error)
        os._exit(7)
    print(one.status)
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("limit", [120_000, 200_000, 300_000])
def test_row_72_a_disk_that_fills_up_is_an_error_and_the_execution_goes_on_from_what_was_written(path, limit):
    code = textwrap.dedent(LIMITED.format(root=str(ROOT), path=str(path), limit=limit))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 7, done
    assert done.stdout.startswith("StoreError True the store"), done
    kept = LocalRunner(shop([], size=50_000), path).executions.find("big")
    assert kept.status == "RUNNING"  # never a success that is not on disk
    written = [record.name for record in kept.operations if record.status.value == "SUCCEEDED"]

    ran = []
    runner = LocalRunner(shop(ran, size=50_000), path, skip_time=True)
    assert runner.resume("big").result == list("012345")
    assert ran == [n for n in range(6) if f"s{n}" not in written]  # what was acknowledged is not run again


def test_row_72_a_store_that_stays_locked_is_an_error_and_nothing_is_lost(path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    ran = []
    runner = LocalRunner(shop(ran), path, skip_time=True)
    one = runner.start(None, name="locked")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked; another process") as caught:
            runner.resume("locked")
        other.execute("ROLLBACK")
    assert caught.value.retryable
    assert one.status == "RUNNING"
    assert runner.resume("locked").result == list("012345")


def test_row_72_a_store_that_is_locked_in_the_middle_is_an_error_of_the_invocation(path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.02)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        ran = []

        def body(n):
            ran.append(n)
            if ran.count(n) == 1 and n == 2:
                other.execute("BEGIN IMMEDIATE")
            return n

        @durable
        def handler(event, ctx):
            return [ctx.step(body, n, name=f"s{n}") for n in range(4)]

        runner = LocalRunner(handler, path, skip_time=True)
        one = runner.start(None, name="locked")
        with pytest.raises(StoreError):
            runner.resume("locked")
        other.execute("ROLLBACK")
    again = LocalRunner(handler, path, skip_time=True)
    assert again.resume("locked").result == [0, 1, 2, 3]
    assert ran == [0, 1, 2, 2, 3]
    assert one.status == "SUCCEEDED"


# -- torn ------------------------------------------------------------------------------------------------------


def torn(path, where, how):
    """Damage the store as a power cut or a bad disk would; the connection that wrote it is gone."""
    content = bytearray(path.read_bytes())
    at = int(len(content) * where)
    if how == "cut off":
        del content[at:]
    elif how == "zeroes":
        content[at : at + 2048] = bytes(len(content[at : at + 2048]))
    else:
        content[at : at + 512] = os.urandom(len(content[at : at + 512]))
    path.write_bytes(content)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("how", ["cut off", "zeroes", "noise"])
@pytest.mark.parametrize("where", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_row_72_a_torn_file_is_an_error_or_the_whole_truth_and_never_a_corrupt_success(path, where, how):
    runner = LocalRunner(shop([], size=5_000), path, skip_time=True)
    for n in range(3):
        runner.run(n, name=f"done-{n}")
    runner.store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    torn(path, where, how)

    refused = []
    try:
        again = LocalRunner(shop([], size=5_000), path, skip_time=True)
        for one in list(again.executions):
            if one.status == "RUNNING":
                again.resume(one.id)
            assert one.status == "SUCCEEDED"
            assert one.result == list("012345")
            assert [record.name for record in one.operations] == [f"s{n}" for n in range(6)]
    except StoreError as error:
        refused.append(error.retryable)
    assert refused in ([], [False])


def test_row_72_a_torn_write_ahead_log_loses_only_what_was_not_committed(path):
    """What is in the log after its last whole commit does not count; SQLite's checksums see to that."""
    code = textwrap.dedent(f"""
        import sys, os
        sys.path.insert(0, {str(ROOT)!r})
        from powertools_durable.local import LocalRunner
        from tests.reliability.test_stores import shop
        runner = LocalRunner(shop([]), {str(path)!r}, skip_time=True)
        runner.run(None, name="whole")
        os._exit(0)  # no connection is closed, so the log stays
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    log = path.with_name(path.name + "-wal")
    content = log.read_bytes()
    assert content
    log.write_bytes(content[: len(content) - 3000] + os.urandom(3000))
    ran = []
    runner = LocalRunner(shop(ran), path, skip_time=True)
    assert runner.resume("whole").result == list("012345")


# -- two at once -----------------------------------------------------------------------------------------------


def test_row_72_a_second_runner_of_an_execution_is_refused_and_the_first_is_not_disturbed(path):
    ran, refused = [], []

    def body(n):
        ran.append(n)
        if n == 1:
            try:
                LocalRunner(handler, path, skip_time=True).resume("one")
            except ValidationError as error:
                refused.append(str(error))
        return n

    @durable
    def handler(event, ctx):
        return [ctx.step(body, n, name=f"s{n}") for n in range(3)]

    assert LocalRunner(handler, path, skip_time=True).run(None, name="one").result == [0, 1, 2]
    assert ran == [0, 1, 2]
    assert ["is being run by another process" in text for text in refused] == [True]


@pytest.mark.slow
def test_row_72_a_second_process_is_refused_too(path):
    runner = LocalRunner(shop([]), path, skip_time=True)
    one = runner.start(None, name="one")
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from powertools_durable.local import LocalRunner
        from tests.reliability.test_stores import shop
        print(json.dumps(LocalRunner(shop([]), {str(path)!r}).resume("one").result))
    """)
    with running(SqliteStore(path), one.arn):
        done = subprocess.run([sys.executable, "-c", f"import json{code}"], capture_output=True, text=True, check=False)
    assert "ValidationError: execution" in done.stderr
    done = subprocess.run([sys.executable, "-c", f"import json{code}"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == list("012345")


def test_row_72_a_handler_whose_store_was_changed_by_another_runner_gets_a_stale_token_and_writes_nothing(path):
    """The lock file was removed, say: then two run, and the token chain keeps them apart."""
    ran = []

    def body(n):
        ran.append(n)
        if ran == [0, 1]:
            for file in path.parent.glob("*.lock"):
                file.unlink()
            LocalRunner(handler, path, skip_time=True).resume("one")
        return n

    @durable
    def handler(event, ctx):
        return [ctx.step(body, n, name=f"s{n}") for n in range(3)]

    one = LocalRunner(handler, path, skip_time=True).run(None, name="one")
    assert (one.status, one.result) == ("SUCCEEDED", [0, 1, 2])
    assert [event["EventType"] for event in one.history()].count("ExecutionSucceeded") == 1
    assert ran == [0, 1, 1, 2]  # what was acknowledged ran once
