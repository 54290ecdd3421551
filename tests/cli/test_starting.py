"""A `run` that is killed at any moment is continued by `resume` alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.local import LocalExecutions, SqliteStore

SHOP = Path(__file__).parent / "shop.py"
KILLED = """
import os, signal, sys
from powertools_durable.cli.main import main
from powertools_durable.local import SqliteStore

write, moment = sys.argv[1:3]
real = getattr(SqliteStore, write)

def dies(*arguments):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(SqliteStore, write, dies)
del sys.argv[1:3]
main()
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", ["save", "remember_targets"])
def test_an_execution_that_is_there_knows_where_its_handler_is(tmp_path, write, moment):
    """Failed with the execution and its targets in two transactions: `resume` asked where its handler is."""
    store = tmp_path / "store.sqlite"
    start = ("run", f"{SHOP}:greets", "--event", "7", "--name", "one", "--store", str(store))
    killed = subprocess.run([sys.executable, "-c", KILLED, write, moment, *start], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    there = list(LocalExecutions(SqliteStore(store)))
    assert all(one.target for one in there)
    assert CliRunner().invoke(app, ["resume", "one", "--store", str(store)] if there else start).exit_code == 0
