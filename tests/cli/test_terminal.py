"""The command line as a person sees it: a real process on a real terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.processes import SHOP, Terminal, command

pytestmark = pytest.mark.slow


@pytest.fixture
def terminal(tmp_path):
    def start(*words):
        return Terminal(tmp_path, *words)

    return start


def answer(folder, *words):
    done = command(folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_timeline_says_what_it_waits_for_and_goes_on_when_it_is_answered(terminal, tmp_path):
    seen = terminal("run", f"{SHOP}:handler", "--event", "{}", "--name", "live", "--skip-time")
    seen.read_until("powertools_durable callback approval succeed '{}'")
    assert "live" in answer(tmp_path, "list")
    assert "resume" not in answer(tmp_path, "callback", "approval", "succeed", '{"by": "ada"}')
    text = seen.read_until("SUCCEEDED")
    assert seen.ended() == 0
    for line in ("pid ", "✓ reserve", "invocation 2, replays 2 operations", "✓ cool waited 30 s", "✓ approval"):
        assert line in text


def test_ctrl_c_says_how_to_go_on(terminal, tmp_path):
    seen = terminal("run", f"{SHOP}:handler", "--event", "{}", "--name", "stopped", "--skip-time")
    seen.read_until("callback approval succeed '{}'")
    seen.process.send_signal(signal.SIGINT)
    text = seen.read_until("powertools_durable resume")
    assert "nothing of stopped is lost" in text
    assert seen.ended() == 130
    answer(tmp_path, "callback", "approval", "succeed", "{}")
    again = terminal("resume")
    assert "stopped" in again.read_until("continues after 2 invocations")
    again.read_until("SUCCEEDED")
    assert again.ended() == 0


def test_what_the_handler_prints_stands_above_the_last_lines(terminal):
    seen = terminal("run", f"{SHOP}:greets", "--event", '"ada"')
    text = seen.read_until("hello ada")
    assert "a line of the handler's own" in text
    assert seen.ended() == 0


def test_a_second_process_is_refused_while_the_first_runs(terminal, tmp_path):
    seen = terminal("run", f"{SHOP}:handler", "--event", "{}", "--name", "mine", "--skip-time")
    seen.read_until("callback approval succeed '{}'")
    second = command(tmp_path, "resume")
    assert second.returncode == 2
    assert "being run by another process" in second.stderr
    answer(tmp_path, "stop", "mine")
    seen.read_until("STOPPED")
    assert seen.ended() == 1


@pytest.mark.xray
def test_run_trace_draws_each_invocation_where_it_ended(terminal):
    traced = Path(__file__).parent / "traced.py"
    process = terminal("run", f"{traced}:greeter", "--event", "1", "--trace")
    shown = process.read_until("SUCCEEDED  in")
    assert process.ended() == 0
    assert shown.index("pid ") < shown.index("trace of greeter") < shown.index("└── ## durable")
