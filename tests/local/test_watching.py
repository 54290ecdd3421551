"""``watch=``: who watches an execution can't hurt it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from powertools_durable import durable
from powertools_durable.local import LocalRunner


@durable
def handler(event, ctx):
    ctx.step(lambda: 1, name="one")
    ctx.wait(1)
    ctx.map(lambda child, n: child.step(lambda: n, name=f"n{n}"), [1, 2, 3], name="m")
    return "done"


@durable
def calls(event, ctx):
    return ctx.invoke("other", {})


ERRORS = [ValueError("canary"), BrokenPipeError(32, "Broken pipe"), SystemExit(3), GeneratorExit()]


@pytest.mark.parametrize("called", range(1, 8, 3))
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_watcher_that_raises_is_told_no_more_and_the_execution_goes_on(tmp_path, caplog, error, called):
    times = []

    def watch(one, events):
        times.append(1)
        if len(times) == called:
            raise error

    runner = LocalRunner(handler, tmp_path / "store.sqlite", skip_time=True)
    one = runner.run(watch=watch)
    assert (one.status, one.result, one.invocations, len(times)) == ("SUCCEEDED", "done", 2, called)
    (warning,) = [record for record in caplog.records if "watch= raised" in record.message]
    assert "test_watching.py" in warning.message
    assert "canary" not in warning.message
    assert type(error).__name__ not in str(one.history())


def test_a_watcher_of_a_caller_can_not_hurt_what_it_invokes(tmp_path):
    def watch(one, events):
        raise OSError

    runner = LocalRunner(calls, tmp_path / "store.sqlite", functions={"other": handler}, skip_time=True)
    assert runner.run(watch=watch).result == "done"


def test_a_watcher_may_stop_the_run_by_a_keyboard_interrupt_and_it_goes_on_later(tmp_path):
    def watch(one, events):
        if any(event["EventType"] == "StepSucceeded" for event in events):
            raise KeyboardInterrupt

    runner = LocalRunner(handler, tmp_path / "store.sqlite", skip_time=True)
    with pytest.raises(KeyboardInterrupt):
        runner.run(watch=watch)
    assert runner.resume().result == "done"


# -- Ctrl-C ----------------------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading
from datetime import timedelta
from powertools_durable import durable
from powertools_durable.local import LocalRunner

go, runs = threading.Event(), threading.Semaphore(0)

def stays():
    runs.release()
    go.wait()
    return 1

@durable
def handler(event, ctx):
    return ctx.{call}

def press():
    for _ in range({bodies}):
        runs.acquire()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
runner = LocalRunner(handler, sys.argv[1])
try:
    runner.run(name="one")
except KeyboardInterrupt:
    print("returned", runner.executions.find("one").status)
go.set()
one = runner.resume("one")
print(one.status, sum(event["EventType"] == "ExecutionSucceeded" for event in one.history()))
"""
CALLS = {
    "map": ('map(lambda child, n: child.step(stays, name=f"s{n}"), [1, 2], name="m").results', 2),
    "parallel": ('parallel([lambda child: child.step(stays, name="a")], name="p").results', 1),
    "timeout": ('step(stays, name="s", timeout=timedelta(minutes=5))', 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_waits_for_no_body_on_another_thread(tmp_path, call):
    """The bodies end only after `run` has returned: one that waited for them would never."""
    words, bodies = CALLS[call]
    script = INTERRUPTED.format(call=words, bodies=bodies)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "s"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "returned RUNNING\nSUCCEEDED 1\n", done.stderr
