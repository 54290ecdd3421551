"""What goes where: only JSON lines on standard output, whole lines in a pipe, nothing cut on narrow terminals."""

from __future__ import annotations

import json
import os
import re

import pytest

from powertools_durable.cli.app import app
from tests.cli.processes import Terminal, command

pytestmark = pytest.mark.slow

APP = """
import logging, os, subprocess, sys
from powertools_durable import Retry, durable

logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
print("from the import")

def noisy():
    print("from the step")
    os.write(1, b"from the descriptor\\n")
    subprocess.run(["echo", "from a child"], check=True)
    logging.info("from the log")
    return 1

@durable
def handler(event, ctx):
    noisy()
    return ctx.step(noisy, name="noisy")

@durable
def waits(event, ctx):
    noisy()
    return ctx.create_callback(name="go").result()

def fails():
    raise ValueError("REASON: " + "word " * 40 + "\\nand a second line\\u2028and a third " + "X" * 150)

@durable
def failing(event, ctx):
    ctx.step(fails, name="a-name-that-is-not-short", retry=Retry(max_attempts=1))
"""
NOISE = {"from the import", "from the step", "from the descriptor", "from a child", "from the log"}
CONTROL = re.compile(r"\x1b\[[0-9;?]*([a-zA-Z])")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    (folder / "app.py").write_text(APP)
    assert command(folder, "run", "app.py:failing", "--name", "failed").returncode == 1
    assert command(folder, "run", "app.py:handler", "--name", "ended").returncode == 0
    (folder / "ended.json").write_text(command(folder, "export", "ended").stdout)
    (folder / "histories").mkdir()
    (folder / "histories" / "ended.json").write_text((folder / "ended.json").read_text())
    return folder


# -- what the handler prints -----------------------------------------------------------------------------------

# What each command runs of the user's code is what it shows of the noise.
FROM_THE_MODULE = {"from the import"}
FROM_THE_HANDLER = NOISE
FROM_A_REPLAY = NOISE - {"from the log"}  # such lines were written when it happened
COMMANDS = {
    "run": (("app.py:handler",), FROM_THE_HANDLER),
    "resume": (("WAITING", "--answer", "go=1"), FROM_A_REPLAY),
    "list": ((), set()),
    "show": (("ended",), set()),
    "callback": (("go", "heartbeat", "--execution", "WAITING"), set()),
    "stop": (("WAITING",), set()),
    "prune": (("--name", "nobody*"), set()),
    "export": (("ended",), set()),
    "payload": (("ended", "noisy"), FROM_THE_MODULE),
    "explore": (("app.py:handler",), FROM_THE_HANDLER),
    "replay": (("app.py:handler", "ended.json"), FROM_A_REPLAY),
    "debug": (("app.py:handler", "ended.json", "--at", "noisy"), FROM_A_REPLAY),
    "fork": (("app.py:handler", "ended.json", "--from", "noisy", "--store", "forks.sqlite"), FROM_THE_HANDLER),
    "gate": (("app.py:handler", "histories"), FROM_THE_MODULE),
    "doctor": (("app.py:handler",), FROM_THE_MODULE),
}
JSON_BY_ITSELF = {"run", "resume", "fork"}  # in a pipe
NO_JSON = {"callback", "stop", "export", "payload", "debug"}
TO_STANDARD_OUTPUT = {"debug"}  # it is for a person, who sees what the handler prints between the commands
SHOWN = [(name, as_json) for name in COMMANDS for as_json in (False, True) if not (as_json and name in NO_JSON)]


def test_the_table_of_commands_has_all_of_them():
    assert {one.name or one.callback.__name__ for one in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize(("name", "as_json"), SHOWN)
def test_what_user_code_prints_goes_to_standard_error_and_the_output_is_kept_clean(folder, name, as_json):
    """Failed by `explore`, `replay` and `doctor`, which dropped what was printed by Python."""
    words, noise = COMMANDS[name]
    if name in TO_STANDARD_OUTPUT:
        done = command(folder, name, *words, input="c\n")
        assert done.returncode == 0, done.stderr
        assert noise <= set(f"{done.stdout}{done.stderr}".splitlines())
        return
    if name in {"resume", "callback", "stop"}:
        waiting = f"{name}-{as_json}"
        assert command(folder, "run", "app.py:waits", "--name", waiting, "--no-wait").returncode == 3
        words = [waiting if word == "WAITING" else word for word in words]
    done = command(folder, name, *words, *["--json"] * as_json)
    assert done.returncode == 0 or name == "explore", done.stderr  # which need not like a handler that prints
    assert set(done.stderr.splitlines()) == noise
    assert done.stdout
    assert not NOISE & set(done.stdout.splitlines())
    if as_json or name in JSON_BY_ITSELF:
        assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())


def test_resume_keeps_it_apart_too(folder):
    assert command(folder, "run", "app.py:waits", "--name", "two", "--no-wait").returncode == 3
    done = command(folder, "resume", "two", "--answer", "go=1", "--json")
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()][-1]["status"] == "SUCCEEDED"
    assert set(done.stderr.splitlines()) <= NOISE
    assert "from the step" in done.stderr


def test_json_on_a_terminal_draws_nothing(folder):
    terminal = Terminal(folder, "run", "app.py:handler", "--json")
    terminal.read_to_the_end()
    assert terminal.ended() == 0
    lines = terminal.raw.decode().splitlines()
    assert b"\x1b" not in terminal.raw
    assert {line for line in lines if not line.startswith("{")} == NOISE


# -- lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["20", "80"])
def test_off_a_terminal_each_moment_is_one_line_whole(folder, columns):
    done = command(folder, "show", "failed", env={**os.environ, "COLUMNS": columns})
    (line,) = [line for line in done.stdout.splitlines() if line.rstrip().endswith("in fails)") and "[1]" not in line][
        :1
    ]
    assert "a-name-that-is-not-short" in line
    assert r"\nand a second line\u2028and a third X" in line
    assert "X" * 150 in line


@pytest.mark.sampled(2)
@pytest.mark.parametrize("verb", ["show", "run"])
@pytest.mark.parametrize("columns", [12, 30, 60])
def test_on_a_narrow_terminal_nothing_of_the_reason_is_cut(folder, verb, columns):
    words = ("show", "failed") if verb == "show" else ("run", "app.py:failing")
    terminal = Terminal(folder, *words, columns=columns)
    text = "".join(terminal.read_to_the_end().split())
    assert terminal.ended() == (0 if verb == "show" else 1)
    reason = "".join(f"REASON: {'word ' * 40}\nand a second line and a third {'X' * 150}".split())
    assert reason in text.replace(r"\u2028", "")
    assert "…" not in text.replace("…a-name", "")


# -- colour and drawing ----------------------------------------------------------------------------------------


def controls(data):
    return {match[1] for match in CONTROL.finditer(data)}


COLOURS = [
    ({}, set()),
    ({"FORCE_COLOR": "1"}, {"m"}),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, set()),
    ({"FORCE_COLOR": "1", "CI": "true", "GITHUB_ACTIONS": "true", "TERM": "xterm-256color"}, {"m"}),
    ({"TTY_INTERACTIVE": "1", "TTY_COMPATIBLE": "1"}, set()),
]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("variables", "expected"), COLOURS, ids=" ".join)
def test_a_pipe_gets_colours_if_they_are_forced_and_never_a_cursor(folder, variables, expected):
    clean = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "NO_COLOR"}}
    shown = command(folder, "show", "failed", env=clean | variables).stdout
    assert controls(shown) == expected
    assert controls(command(folder, "run", "app.py:failing", env=clean | variables).stdout) == set()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"CI": "true"}], ids=" ".join)
def test_a_terminal_is_drawn_on_whatever_the_colours(folder, variables):
    terminal = Terminal(folder, "run", "app.py:failing", NO_COLOR=variables.get("NO_COLOR"), CI=variables.get("CI"))
    terminal.read_to_the_end()
    terminal.ended()
    text = terminal.raw.decode()
    assert controls(text) - {"m"}
    assert bool(re.search(r"\x1b\[[0-9;]*3[1-6]m", text)) is ("NO_COLOR" not in variables)
