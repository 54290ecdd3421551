"""A store that its user may read and not write: it can be listed, shown and exported, and says why it can't be changed.

When the tests run as root, whom nothing is forbidden, the process that looks gives that up first.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.local import LocalRunner

ROOT = Path(__file__).parents[2]
VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text()

LOOKING = """
import json, os, sys
sys.path.insert(0, {root!r})
from typer.testing import CliRunner
from powertools_durable.cli.app import app

def cli(*words):
    done = CliRunner().invoke(app, [*words])
    return [done.exit_code, done.stdout, done.stderr]

own, store, name = sys.argv[1:]
cli("show", name, "--store", own), cli("export", name, "--store", own)  # imports what is imported late
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
os.chdir("/")
print(json.dumps({{
    "list": cli("list", "--json", "--store", store),
    "show": cli("show", name, "--json", "--store", store),
    "export": cli("export", name, "--store", store),
    "stop": cli("stop", name, "--store", store),
    "prune": cli("prune", "--name", "*", "--store", store),
}}))
"""


@durable
def asks(event, ctx):
    ctx.step(lambda: 1, name="before")
    ctx.create_callback(name="approval").result()


def looked_at(store, name, tmp_path):
    own = tmp_path / "own.sqlite"
    LocalRunner(asks, own).run(name=name, wait=False)
    for file in store.parent.iterdir():
        file.chmod(0o444)
    store.parent.chmod(0o555)
    try:
        line = [sys.executable, "-W", "ignore", "-c", LOOKING.format(root=str(ROOT)), str(own), str(store), name]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    finally:
        store.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder():
    """Below no folder that is closed to others, as those of pytest are."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def of_this_version(path):
    store = LocalRunner(asks, path).run(name="asking", wait=False)._store  # noqa: SLF001 - to be closed
    store.close()


def open_elsewhere(path):
    """Part of it is in the log, and another process has it open."""
    return LocalRunner(asks, path).run(name="asking", wait=False)


def of_version_1(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(VERSION_1)
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("made", [of_this_version, open_elsewhere, of_version_1])
def test_it_can_be_listed_shown_and_exported_and_says_that_it_can_not_be_changed(folder, tmp_path, made):
    """Failed with "attempt to write a readonly database; restore it"."""
    store = folder / "store.sqlite"
    kept = made(store)
    before = {file.name for file in folder.iterdir()}
    done = looked_at(store, "asking", tmp_path)
    assert [done[verb][0] for verb in ("list", "show", "export")] == [0, 0, 0], done
    listed = [json.loads(line) for line in done["list"][1].splitlines()]
    assert [one["waitingFor"] for one in listed if one["name"] == "asking"] == [["approval"]]
    assert json.loads(done["show"][1])["name"] == "asking"
    assert json.loads(done["export"][1])["Events"][0]["EventType"] == "ExecutionStarted"
    for verb in ("stop", "prune"):
        assert done[verb][0] == 2
        assert "is read-only here: list, show and export work" in done[verb][2]
    assert {file.name for file in folder.iterdir()} == before
    del kept
