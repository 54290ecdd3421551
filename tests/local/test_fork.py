"""A step that forks: the child ends without a trace in its parent's execution."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from powertools_durable.local import LocalExecutions, SqliteStore

ROOT = Path(__file__).parents[2]

SCRIPT = """
import os, sys
sys.path.insert(0, {root!r})
from powertools_durable import durable
from powertools_durable.local import LocalRunner

def forks():
    child = os.fork()
    if child == 0:
        {ends}
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)

@durable
def handler(event, ctx):
    if event == "in a branch":
        return ctx.map(lambda child, item: child.step(forks, name="forks"), [1, 2]).results
    ctx.step(lambda: 1, name="before")
    code = ctx.step(forks, name="forks")
    ctx.wait(60)
    return [code, ctx.step(lambda: 2, name="after")]

print(LocalRunner(handler, sys.argv[1], skip_time=True).run(sys.argv[2], name="parent").result)
"""


def run(path, ends, event="plain"):
    """Run it in a session of its own, of which nothing is left: not a child either that goes on by mistake."""
    code = SCRIPT.format(root=str(ROOT), ends=ends)
    line = [sys.executable, "-W", "ignore", "-c", code, str(path), event]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            return subprocess.CompletedProcess(line, None, *process.communicate(timeout=60))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.sampled(1)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ("sys.exit(7)", 7),
        ("raise SystemExit", 0),
        ("os._exit(3)", 3),
        ("raise ValueError('of the child')", 1),
        ("return 5", 1),  # and goes on as if it were its parent
    ],
)
def test_a_child_that_a_step_forks_ends_itself_alone(tmp_path, ends, code):
    """Failed with an invocation that failed by SystemExit, and with a child whose ValueError was the step's."""
    done = run(tmp_path / "store.sqlite", ends)
    assert done.stdout == f"[{code}, 2]\n", done
    one = LocalExecutions(SqliteStore(tmp_path / "store.sqlite")).find("parent")
    assert one.status == "SUCCEEDED"
    kinds = [event["EventType"] for event in one.history() if event.get("Name") == "forks"]
    assert kinds == ["StepStarted", "StepSucceeded"]
    assert not [event for event in one.history() if "Error" in event.get("InvocationCompletedDetails", {})]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_that_a_branch_forks_leaves_no_trace_either(tmp_path):
    done = run(tmp_path / "store.sqlite", "os._exit(3)", "in a branch")
    assert done.stdout == "[3, 3]\n", done
