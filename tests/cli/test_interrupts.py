"""Ctrl-C says at once how to go on and waits for no body; a second one ends the process."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import MAIN, Terminal, command, started

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal on POSIX only")]

APP = """
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from powertools_durable import durable

def note(text):
    with Path("bodies").open("a") as file:
        file.write(text)

def stays(n=0):
    note(".")
    while not Path("go").exists():
        time.sleep(0.02)
    return n

def catches(n=0):
    note(".")
    while not Path("go").exists():
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            note("!")
    return n

def cleans_up(n=0):
    try:
        return stays(n)
    finally:
        note("f")

def in_an_executor(n=0):
    with ThreadPoolExecutor() as pool:
        return pool.submit(stays, n).result()

@durable
def step(event, ctx):
    return ctx.step(stays, name="s")

@durable
def timed(event, ctx):
    return ctx.step(stays, name="s", timeout=timedelta(minutes=5))

@durable
def several(event, ctx):
    return ctx.map(lambda child, n: child.step(lambda: stays(n), name=f"s{n}"), [0, 0], name="m").results[0]

@durable
def nested(event, ctx):
    def inner(child, n):
        return child.parallel([lambda one: one.step(stays, name="a"), lambda one: one.step(stays, name="b")], name="p")
    ctx.map(inner, [0, 0], name="m")
    return 0

@durable
def executor(event, ctx):
    return ctx.step(in_an_executor, name="s")

@durable
def cleaning(event, ctx):
    return ctx.step(cleans_up, name="s")

@durable
def plain(event, ctx):
    return stays()

@durable
def caller(event, ctx):
    return ctx.invoke("plain", {}, name="call")

@durable
def waits(event, ctx):
    note(".")
    if not Path("go").exists():
        ctx.wait(3600)
    return 0

async def stays_on_the_loop():
    note(".")
    while not Path("go").exists():
        await asyncio.sleep(0.02)
    return 0

@durable
async def awaiting(event, ctx):
    return await ctx.step(stays_on_the_loop, name="s")

@durable
async def awaiting_threads(event, ctx):
    return (await asyncio.gather(ctx.step(stays, name="a"), ctx.step(stays, name="b")))[0]

@durable
async def awaiting_time(event, ctx):
    note(".")
    if not Path("go").exists():
        await ctx.wait(3600)
    return 0

@durable
def swallowing(event, ctx):
    ctx.step(catches, name="s")
    ctx.step(lambda: note("second"), name="second")
    return 0
"""
HANDLERS = ["step", "timed", "several", "nested", "executor", "cleaning", "plain", "caller", "waits"]
HANDLERS += ["awaiting", "awaiting_threads", "awaiting_time"]
OPTIONS = {"caller": ("--function", "plain=app.py:plain")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def bodies(folder):
    path = Path(folder, "bodies")
    return path.read_text() if path.exists() else ""


@contextmanager
def running(folder, handler, **options):
    with started(folder, "run", f"app.py:{handler}", "--name", "one", *OPTIONS.get(handler, ()), **options) as process:
        try:
            until(lambda: bodies(folder))
            yield process
        finally:
            process.kill()  # nothing, where it has ended as it should


@pytest.mark.sampled(2)
@pytest.mark.parametrize("handler", HANDLERS)
def test_ctrl_c_ends_the_command_while_bodies_run_and_it_goes_on_later(folder, handler):
    """No body ends before the test says so: a command that waits for one never ends."""
    with running(folder, handler) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert '{"event": "Interrupted", "execution": "one", "resume": "' in output
    assert f"nothing of one is lost. Continue with:\n  {shlex.join(MAIN)} resume " in errors
    assert "Traceback" not in errors
    assert ("f" in bodies(folder)) is (handler == "cleaning")
    (folder / "go").touch()
    done = command(folder, "resume", "--skip-time")
    assert done.returncode == 0, done.stdout + done.stderr
    history = command(folder, "export", "one").stdout
    assert "KeyboardInterrupt" not in history


def test_a_body_that_catches_it_delays_neither_the_answer_nor_the_second(folder):
    with running(folder, "swallowing") as process:
        process.send_signal(signal.SIGINT)
        assert "nothing of one is lost" in process.stderr.readline()
        until(lambda: "!" in bodies(folder))
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGINT, 130}  # two seconds after the first it would have ended by itself
    (folder / "go").touch()
    assert command(folder, "resume").returncode == 0


def test_a_handler_that_caught_it_stops_at_its_next_operation(folder):
    with running(folder, "swallowing") as process:
        process.send_signal(signal.SIGINT)
        until(lambda: "!" in bodies(folder))
        (folder / "go").touch()
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert "second" not in bodies(folder)
    assert command(folder, "resume").returncode == 0


def test_on_a_terminal_the_cursor_is_shown_again(folder):
    terminal = Terminal(folder, "run", "app.py:several", "--name", "one")
    until(lambda: bodies(folder))
    terminal.read_until("invocation 1")
    terminal.process.send_signal(signal.SIGINT)
    text = terminal.read_to_the_end()
    assert "nothing of one is lost" in text
    assert terminal.ended() in {130, -signal.SIGINT}
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")


def test_a_process_that_ignores_it_goes_on(folder):
    """As one does that a script started in the background."""
    call = 'trap "" INT; exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", call, "sh", *MAIN, "run", "app.py:step"], cwd=folder, stdout=subprocess.DEVNULL
    ) as process:
        until(lambda: bodies(folder))
        process.send_signal(signal.SIGINT)
        (folder / "go").touch()
    assert process.returncode == 0


def test_ctrl_c_before_anything_was_started_has_no_traceback(folder):
    (folder / "slow.py").write_text("import time\nopen('bodies', 'w').write('.')\ntime.sleep(60)\n")
    with started(folder, "run", "slow.py:handler") as process:
        until(lambda: bodies(folder))
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (130, "interrupted\n")


PRESSED = """
import sys
from importlib.abc import MetaPathFinder

class Pressed(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from powertools_durable.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["rich", "typer", "powertools_durable.cli.app", "powertools_durable.local"])
def test_ctrl_c_while_the_command_is_loaded_has_no_traceback(tmp_path, module):
    """Failed by `rich` and `typer`, which were imported outside of the block that answers Ctrl-C."""
    line = [sys.executable, "-c", PRESSED, module]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
