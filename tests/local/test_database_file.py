"""What one process does with a store's file takes no lock away from its other connections."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalExecutions, LocalRunner, SqliteStore
from powertools_durable.local.housekeeping import copy_store, prune
from powertools_durable.local.lock import running

ROOT = Path(__file__).parents[2]

READS = """
import sys
sys.path.insert(0, sys.argv[1])
from powertools_durable.local import LocalExecutions, SqliteStore
store = SqliteStore(sys.argv[2])
print(sorted(one.name for one in LocalExecutions(store)))
store.close()
"""
RUNS = """
import sys
sys.path.insert(0, sys.argv[1])
from powertools_durable.errors import ValidationError
from powertools_durable.local import SqliteStore
from powertools_durable.local.lock import running
try:
    with running(SqliteStore(sys.argv[2]), sys.argv[3]):
        print("runs")
except ValidationError:
    print("is refused")
"""


def another_process(code, path, *more):
    line = [sys.executable, "-W", "ignore", "-c", code, str(ROOT), str(path), *more]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@durable
def waits(event, ctx):
    ctx.wait(3600)


def uses_of(path):
    """Return what else a process may do with a store that it has open: each opens it again."""
    return {
        "a store": lambda: SqliteStore(path).close(),
        "executions": lambda: list(LocalExecutions(SqliteStore(path))),
        "a runner": lambda: LocalRunner(waits, path).start("other", name="other"),
        "a prune": lambda: prune(SqliteStore(path)),
        "a copy": lambda: copy_store(SqliteStore(path), path.with_name("copy")),
        "a lock": lambda: running(SqliteStore(path), "arn/of/another").__enter__(),
    }


USES = sorted(uses_of(Path()))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("use", USES)
def test_nothing_that_was_acknowledged_is_lost_when_another_process_closes_the_store(tmp_path, use):
    """Failed: the other process found itself alone and removed the log to which this one went on writing."""
    path = tmp_path / "store.sqlite"
    runner = LocalRunner(waits, path)
    runner.start("first", name="first")
    uses_of(path)[use]()
    assert "'first'" in another_process(READS, path)
    runner.start("second", name="second")
    assert "'second'" in another_process(READS, path)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("use", ["the same execution", *USES])
def test_an_execution_that_runs_here_runs_in_no_other_process(tmp_path, use):
    """Failed for the same execution: who was refused here had given the lock up, for the thread that holds it."""
    path = tmp_path / "store.sqlite"
    store = SqliteStore(path)
    with running(store, "arn/of/it"):
        if use == "the same execution":
            with pytest.raises(ValidationError, match="is being run"), running(SqliteStore(path), "arn/of/it"):
                pass
        else:
            uses_of(path)[use]()
        assert another_process(RUNS, path, "arn/of/it") == "is refused"
    assert another_process(RUNS, path, "arn/of/it") == "runs"


opened, hooks = [], []


def note_opened(event, arguments):
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        opened.append((os.fspath(arguments[0]), arguments[2]))


@pytest.mark.parametrize("use", USES)
def test_python_opens_no_file_of_a_store_that_is_there(tmp_path, use):
    path = tmp_path / "store.sqlite"
    LocalRunner(waits, path).start("first", name="first")
    if not hooks:  # one can't be removed
        hooks.append(note_opened)
        sys.addaudithook(note_opened)
    opened.clear()
    uses_of(path)[use]()
    of_the_store = [flags for name, flags in opened if name.startswith(str(path))]
    assert of_the_store  # each asks to make the file if it is missing
    assert all(flags & os.O_EXCL for flags in of_the_store)
