"""Whoever watches can't hurt: not the execution, not its history, not its exit code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import MAIN, Terminal, command, started

pytestmark = pytest.mark.slow

APP = """
import sys, time
from pathlib import Path
from powertools_durable import Retry, durable

def wait_for_the_reader_to_go():
    while not Path("gone").exists():
        time.sleep(0.01)

@durable
def handler(event, ctx):
    ctx.step(wait_for_the_reader_to_go, name="first")
    return ctx.map(lambda child, n: child.step(lambda: n, name=f"n{n}"), [1, 2, 3], name="m").results

@durable
def prints(event, ctx):
    ctx.step(wait_for_the_reader_to_go, name="first")
    print("printed", flush=True)
    print("printed", file=sys.stderr, flush=True)
    return "fine"

def flaky():
    raise ValueError("Prüfung fehlt ✗")

@durable
def failing(event, ctx):
    ctx.step(flaky, name="fläky".encode("ascii", "ignore").decode(), retry=Retry(max_attempts=1))

@durable
def quick(event, ctx):
    return ctx.step(lambda: 1, name="one")
"""
WORDS_OF_THE_WORLD = ("BrokenPipe", "Broken pipe", "UnicodeEncode", "codec", "No space", "closed file")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    return tmp_path


def history(folder, name):
    text = command(folder, "export", name).stdout
    assert [word for word in WORDS_OF_THE_WORLD if word in text] == []
    return [event["EventType"] for event in json.loads(text)["Events"]]


# -- a reader that goes ----------------------------------------------------------------------------------------


def test_a_reader_of_a_run_that_goes_ends_the_command_as_ctrl_c_does(folder):
    with started(folder, "run", "app.py:handler", "--name", "piped") as process:
        assert json.loads(process.stdout.readline())["execution"] == "piped"
        process.stdout.close()
        (folder / "gone").touch()
        errors = process.stderr.read()
    assert process.returncode == 130
    assert f"nothing of piped is lost. Continue with:\n  {shlex.join(MAIN)} resume " in errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert "ExecutionFailed" not in history(folder, "piped")
    done = command(folder, "resume", "piped")
    assert done.returncode == 0, done.stdout
    assert history(folder, "piped").count("ExecutionSucceeded") == 1


def test_a_reader_that_goes_before_the_handler_prints_does_not_fail_its_step(folder):
    with started(folder, "run", "app.py:prints", "--name", "piped", stdout=subprocess.DEVNULL) as process:
        process.stderr.close()
        (folder / "gone").touch()
    assert process.returncode == 0
    assert "ExecutionSucceeded" in history(folder, "piped")


QUIET = [
    (("list",), 0),
    (("list", "--json"), 0),
    (("show", "one"), 0),
    (("show", "one", "--json"), 0),
    (("export", "one"), 0),
    (("replay", "app.py:quick", "one.json"), 0),
    (("replay", "app.py:prints", "one.json"), 1),
    (("replay", "app.py:quick", "one.json", "--json"), 0),
    (("doctor", "app.py:quick"), 0),
    (("explore", "app.py:quick"), 0),
    (("explore", "app.py:quick", "--json"), 0),
    (("resume", "one"), 0),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A folder with an execution that has ended, and its history."""
    folder = tmp_path_factory.mktemp("ended")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    assert command(folder, "run", "app.py:quick", "--name", "one").returncode == 0
    (folder / "one.json").write_text(command(folder, "export", "one").stdout)
    return folder


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("words", "code"), QUIET, ids=lambda part: " ".join(part) if isinstance(part, tuple) else "")
def test_the_exit_code_is_that_of_the_execution_whoever_reads(ended, words, code):
    read, write = os.pipe()
    os.close(read)
    done = command(ended, *words, stdout=write, stderr=subprocess.PIPE, capture_output=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("list",), ("show", "one"), ("export", "one")], ids=" ".join)
def test_a_full_disk_is_told_where_the_output_is_all_there_is(ended, words):
    with Path("/dev/full").open("wb") as full:
        done = command(ended, *words, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2
    assert done.stderr == "error: standard output can't be written: [Errno 28] No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_a_run_as_ctrl_c_does(folder):
    with Path("/dev/full").open("wb") as full:
        done = command(
            folder, "run", "app.py:quick", "--name", "full", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert done.returncode == 130
    assert "Continue with:" in done.stderr
    assert "No space left" in done.stderr
    history(folder, "full")
    assert command(folder, "resume", "full").returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="only a POSIX shell closes descriptors")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_outputs_are_nobody_who_watches(ended, closed):
    call = [*MAIN, "run", "app.py:quick", "--name", f"closed-{len(closed)}"]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *call], cwd=ended, check=False, timeout=60)
    assert done.returncode == 0


# -- an output that can't show a character ---------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "encoding"), [("run", "ascii"), ("show", "latin-1")])
def test_a_terminal_that_has_not_every_character_shows_its_number(folder, verb, encoding):
    terminal = Terminal(folder, "run", "app.py:failing", "--name", "odd", PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    text = terminal.read_to_the_end()
    assert terminal.ended() == 1
    if verb == "show":
        terminal = Terminal(folder, "show", "odd", PYTHONUTF8="0", PYTHONIOENCODING=encoding)
        text = terminal.read_to_the_end()
        assert terminal.ended() == 0
    assert r"fehlt \u2717" in text
    events = history(folder, "odd")
    assert events.count("InvocationCompleted") == 1
    assert "StepFailed" in events


def test_what_the_handler_prints_is_escaped_too(folder):
    lines = ["from powertools_durable import durable", "@durable", "def handler(event, ctx): print('Zoë ✓')"]
    (folder / "odd.py").write_text("\n".join(lines), encoding="utf-8")
    terminal = Terminal(folder, "run", "odd.py:handler", PYTHONUTF8="0", PYTHONIOENCODING="ascii:strict")
    text = terminal.read_to_the_end()
    assert terminal.ended() == 0, text
    assert r"Zo\xeb \u2713" in text
