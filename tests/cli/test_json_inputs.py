"""JSON on its way in: the same from an argument, a file and standard input, wherever a command takes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

APP = """
from powertools_durable import durable

@durable
def echoes(event, ctx):
    return event

@durable
def asks(event, ctx):
    return ctx.create_callback(name="size").result()
"""
TEXT = "Zoë ✓"
ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le"]
SOURCES = ["file", "standard input"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(APP)
    return tmp_path


def cli(*words, data=None):
    return CliRunner().invoke(app, words, input=data)


def result(done):
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])["result"]


def waiting():
    assert cli("run", "app.py:asks", "--name", "one", "--no-wait").exit_code == 3


def event_of_run(source, data):
    return result(cli("run", "app.py:echoes", "--event", source, data=data))


def answer_of_run(source, data):
    return json.loads(result(cli("run", "app.py:asks", "--answer", f"size={source}", data=data)))


def answer_of_resume(source, data):
    waiting()
    return json.loads(result(cli("resume", "--answer", f"size={source}", data=data)))


def value_of_callback(source, data):
    waiting()
    assert cli("callback", "size", "succeed", source, data=data).exit_code == 0
    return json.loads(result(cli("resume")))


def event_of_explore(source, data):
    done = cli("explore", "app.py:echoes", "--event", source, data=data)
    assert done.exit_code == 0, done.output
    return TEXT


PLACES = [event_of_run, answer_of_run, answer_of_resume, value_of_callback, event_of_explore]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_read_in_any_encoding(place, source, encoding):
    data = json.dumps(TEXT, ensure_ascii=False).encode(encoding)
    Path("value.json").write_bytes(data)
    assert place("@value.json" if source == "file" else "-", data if source == "standard input" else None) == TEXT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_history_is_read_the_same_from_a_file_as_from_standard_input(encoding):
    assert cli("run", "app.py:echoes", "--event", json.dumps(TEXT), "--name", "one").exit_code == 0
    history = json.loads(cli("export", "one").stdout)
    details = history["Events"][0]["ExecutionStartedDetails"]["Input"]
    details["Payload"] = json.dumps(TEXT, ensure_ascii=False)
    data = json.dumps(history, ensure_ascii=False).encode(encoding)
    Path("history.json").write_bytes(data)
    verdicts = [cli("replay", "app.py:echoes", "history.json"), cli("replay", "app.py:echoes", "-", data=data)]
    assert [done.exit_code for done in verdicts] == [0, 0], [done.output for done in verdicts]
    assert [done.stdout.replace("standard input", "history.json") for done in verdicts] == [verdicts[0].stdout] * 2


WRONG = {"NaN": "[NaN]", "Infinity": "Infinity", "latin-1": '"Zoë"'.encode("latin-1"), "digits": "9" * 5_000}
CALLS = {
    "event": ("run", "app.py:echoes", "--event", "{}"),
    "answer": ("run", "app.py:asks", "--answer", "size={}"),
    "explored event": ("explore", "app.py:echoes", "--event", "{}"),
    "callback": ("callback", "size", "succeed", "{}"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_json_is_refused_before_anything_is_done(call, source, wrong):
    data = WRONG[wrong] if isinstance(WRONG[wrong], bytes) else WRONG[wrong].encode()
    Path("value.json").write_bytes(data)
    if call == "callback":
        waiting()
    where = "@value.json" if source == "file" else "-"
    done = cli(*(word.replace("{}", where) for word in CALLS[call]), data=data)
    assert done.exit_code == 2, done.output
    assert "is not JSON" in done.stderr
    assert call == "callback" or not Path(".powertools-durable").exists()


def test_a_history_with_nan_in_it_is_refused():
    Path("history.json").write_text('{"Events": [NaN]}')
    done = cli("replay", "app.py:asks", "history.json")
    assert (done.exit_code, "NaN is not a JSON number" in done.stderr) == (2, True)


TWICE = [
    ("run", "app.py:asks", "--event", "-", "--answer", "size=-"),
    ("run", "app.py:asks", "--answer", "a=-", "--answer", "size=-"),
    ("resume", "--answer", "a=-", "--answer", "size=-"),
    ("explore", "app.py:asks", "--event", "-", "--answer", "size=-"),
    ("replay", "app.py:asks", "-", "-"),
]


@pytest.mark.parametrize("words", TWICE, ids=lambda words: words[0])
def test_there_is_one_standard_input(words):
    waiting()
    done = cli(*words, data="{}")
    assert (done.exit_code, "standard input can be read once, so only one value may be -" in done.stderr) == (2, True)


@pytest.mark.sampled(1)
@pytest.mark.skipif(os.name != "posix", reason="only a POSIX shell starts a process without standard input")
@pytest.mark.parametrize(
    "words",
    [
        ("run", "app.py:echoes", "--event", "-"),
        ("run", "app.py:asks", "--answer", "size=-"),
        ("explore", "app.py:echoes", "--event", "-"),
        ("replay", "app.py:echoes", "-"),
    ],
    ids=lambda words: f"{words[0]} {words[-2]}",
)
def test_a_closed_standard_input_is_a_wrong_call(words):
    command = [sys.executable, "-m", "powertools_durable", *words]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert "standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr
