"""Several processes do something to one execution at the same moment: one does it, the others are told so."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.local import LocalRunner

RACING = Path(__file__).parent / "racing.py"


class Racers:
    """Processes that wait for what to do."""

    def __init__(self, folder, count):
        self.store, self.ledger = folder / "store.sqlite", folder / "ledger.txt"
        line = [sys.executable, str(RACING), str(self.store), str(self.ledger)]
        self._processes = [
            subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.communicate(timeout=120)

    def race(self, *tasks):
        """Give each process its task, to be done at one moment; return their answers."""
        at = time.time() + 0.005
        for process, task in zip(self._processes, tasks, strict=True):
            process.stdin.write(json.dumps({"at": at, **task}) + "\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in self._processes]

    @property
    def charged(self):
        return Counter(self.ledger.read_text().split() if self.ledger.exists() else [])


@durable
def filler(event, ctx):
    return event


@pytest.fixture
def racers(tmp_path):
    with ExitStack() as stack:
        yield lambda count: stack.enter_context(Racers(tmp_path, count))


# -- T1: one start, one execution ------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_that_start_one_name_at_once_make_one_execution_and_charge_once(racers):
    """Failed with the look and the insert in two transactions, over a store that holds some."""
    four = racers(4)
    runner = LocalRunner(filler, four.store)
    for number in range(100):
        runner.start(number, name=f"old-{number}")
    names = [f"order-{number}" for number in range(25)]
    for name in names:
        answers = four.race(*({"what": "run", "name": name} for _ in range(4)))
        assert {"done": "SUCCEEDED"} in answers
        refused = [answer["refused"] for answer in answers if "refused" in answer]
        assert all("is being run by another process" in text for text in refused)
    assert four.charged == Counter(names)
    assert sorted(one.name for one in runner.executions if one.name.startswith("order-")) == sorted(names)


@pytest.mark.slow
def test_processes_that_start_one_name_at_once_are_given_the_same_execution(racers):
    four = racers(4)
    for number in range(50):
        answers = four.race(*({"what": "start", "name": f"order-{number}"} for _ in range(4)))
        assert len({answer["done"] for answer in answers}) == 1, answers
