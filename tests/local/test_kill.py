"""kill -9, 50 times: the command line in a real process, at moments nobody chose."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from powertools_durable.local import LocalExecutions, SqliteStore

HERE = Path(__file__).parent
RESULT = [
    *(f"step-{n}" for n in range(6)),
    "flaky",
    *(f"child-{n}" for n in range(5)),
    '"yes"',
    "last",
]
KILLS = 5  # of each execution; ten of them make fifty


def command(store, *words):
    main = "from powertools_durable.cli.main import main; main()"
    line = [sys.executable, "-c", main, *words, "--store", str(store), "--skip-time", "--answer", 'approval="yes"']
    return subprocess.Popen([*line, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed(process, after):
    """Kill it some time after its first sign of life; False when it was faster."""
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def found(store):
    return LocalExecutions(SqliteStore(store)).find("killed")


def acknowledged(store):
    return {record.name for record in found(store).operations if record.type.value == "STEP" and record.end_timestamp}


def an_execution_with_kills(folder, moments, kills, handler="handler"):
    """Run one execution, kill it up to *kills* times, check what it did; return how often it was killed."""
    store, log = folder / "store.sqlite", folder / "effects.txt"
    log.touch()
    start = ("run", f"{HERE / 'killed.py'}:{handler}", "--event", json.dumps({"log": str(log)}), "--name", "killed")
    before = []
    while len(before) < kills:
        again = ("resume", "killed") if before and moments.random() < 0.5 else start
        if not killed(command(store, *again), moments.uniform(0, 0.12)):
            break
        before.append((acknowledged(store), len(log.read_text().splitlines())))

    output, errors = command(store, *start).communicate(timeout=120)
    assert json.loads(output.splitlines()[-1])["result"] == RESULT, (output, errors)
    effects = log.read_text().splitlines()
    assert set(effects) >= {name for name in RESULT if name != '"yes"'}
    for names, lines in before:
        assert not names & set(effects[lines:]), "a step whose result was acknowledged ran again"
    return len(before)


@pytest.mark.slow
@pytest.mark.parametrize("handler", ["handler", "awaiting"])
@pytest.mark.parametrize("seed", range(10))
def test_after_kill_9_it_goes_on_and_no_acknowledged_step_runs_again(tmp_path, seed, handler):
    moments = random.Random(seed)
    left = KILLS
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        left -= an_execution_with_kills(folder, moments, left, handler)
        if not left:
            return
    pytest.fail(f"the handler was faster than {left} of the kills")
