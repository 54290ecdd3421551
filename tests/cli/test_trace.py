"""``run --trace``: a developer sees replays before deploying."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_xray_sdk.core import xray_recorder
from rich.console import Console
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.cli.trace import Trace, tree_of

TARGETS = Path(__file__).parent / "traced.py"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, ["run", *map(str, words), "--event", '"Ada"', "--skip-time", "--trace"])


def traces(text):
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [
        Trace(one["function"], one["traceId"], one["segmentId"], one["documents"])
        for one in told
        if one.get("event") == "Trace"
    ]


def drawn(trace):
    """The tree as a terminal shows it, without times."""
    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(tree_of(trace))
        lines = console.export_text().splitlines()
    return [
        " ".join(word for word in line.split() if not word.replace(".", "").isdigit() and word != "ms")
        for line in lines
    ]


def test_each_invocation_has_its_tree_and_replays_are_seen():
    done = run(f"{TARGETS}:handler", "--function", f"greeter={TARGETS}:greeter")
    assert done.exit_code == 0, done.output
    found = traces(done.stdout)
    assert [one.function for one in found] == ["handler", "handler", "handler", "greeter", "handler"]
    assert len({one.trace_id for one in found}) == 1
    assert len({one.segment_id for one in found}) == 5
    trees = [drawn(one) for one in found]
    assert trees[0][0] == "trace of handler"
    assert trees[0][1].startswith("└── ## handler ColdStart=")
    assert trees[0][2:] == [
        "└── ## durable PENDING on STEP charge, started",
        "└── ## step charge attempt RETRY in s error",
    ]
    assert trees[1][2:] == [
        "└── ## durable PENDING on WAIT pause, started, completed",
        "├── ## step charge attempt SUCCEEDED",
        "└── ## wait pause STARTED",
    ]
    assert trees[2][2:] == [
        "└── ## durable PENDING on CHAINED_INVOKE greet, replayed, started, completed",
        "├── ## replay STEP, WAIT",
        "└── ## invoke greet STARTED",
    ]
    assert trees[3] == ["trace of greeter", "└── ## durable SUCCEEDED"]
    assert trees[4][-1] == "└── ## replay STEP, WAIT, CHAINED_INVOKE"


def test_it_leaves_the_process_as_it_was():
    before = dict(os.environ), xray_recorder.context, xray_recorder.emitter
    assert run(f"{TARGETS}:greeter").exit_code == 0
    assert (dict(os.environ), xray_recorder.context, xray_recorder.emitter) == before


def test_without_a_tracer_it_says_what_to_do():
    done = run(f"{TARGETS}:untraced")
    (one,) = traces(done.stdout)
    assert drawn(one)[1] == "└── nothing was sent; give the handler a tracer: @durable(tracer=Tracer())"


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "powertools_durable.testing.fixtures.xray_daemon", raising=False)
    monkeypatch.setitem(sys.modules, "aws_xray_sdk", None)
    done = run(f"{TARGETS}:greeter")
    assert done.exit_code == 2
    assert "--trace needs aws_xray_sdk: pip install 'powertools-durable[tracer]'" in done.stderr


def test_resume_traces_what_it_runs():
    assert run(f"{TARGETS}:asks", "--no-wait").exit_code == 3
    done = CliRunner().invoke(app, ["resume", "--trace", "--answer", "approval=1"])
    assert done.exit_code == 0, done.output
    (one,) = traces(done.stdout)
    assert drawn(one) == [
        "trace of asks",
        "└── ## durable SUCCEEDED, replayed, completed",
        "└── ## replay CALLBACK",
    ]


PATCHED = """
import sys
sys.path.insert(0, {folder!r})
from powertools_durable.local import LocalRunner
from powertools_durable.testing.fixtures.xray_daemon import recording
with recording() as daemon:
    import traced
    LocalRunner(traced.greeter, "store.sqlite").run(1)
    print([document["name"] for document in daemon])
"""


@pytest.mark.slow
def test_a_tracer_that_patches_everything_traces_no_store(folder):
    """In a process of its own: what is patched stays so."""
    script = PATCHED.format(folder=str(TARGETS.parent))
    environment = os.environ | {"PATCH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, cwd=folder
    )
    assert done.stdout.splitlines() == ["['## durable']"]


def test_a_failure_is_red_and_says_what_was_raised():
    failed = {
        "id": "1" * 16,
        "name": "## step charge",
        "start_time": 1.0,
        "end_time": 3.5,
        "fault": True,
        "cause": {"exceptions": [{"type": "PermissionError", "message": "declined\nfor good"}]},
        "metadata": {"powertools_durable": {"suspended": True, "truncated_bytes": 7}},
    }
    running = {"id": "2" * 16, "name": "goes on", "start_time": 2.0, "parent_id": "1" * 16, "cause": "3" * 16}
    assert drawn(Trace("handler", "", "", [running, failed]))[1:] == [
        "└── ## step charge s suspended, bytes left out fault PermissionError: declined",
        "└── goes on open",
    ]
