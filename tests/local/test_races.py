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
from powertools_durable.local import LocalRunner, SqliteStore

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


@pytest.mark.slow
def test_processes_that_make_one_store_at_once_make_one(tmp_path):
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Racers(folder, 4) as four:
            answers = four.race(*({"what": "run", "name": f"order-{n}"} for n in range(4)))
            assert answers == [{"done": "SUCCEEDED"}] * 4
            assert len(list(SqliteStore(four.store))) == 4


# -- one winner ------------------------------------------------------------------------------------------------

ROUNDS = 34  # of each of the pairs: 200 and more together
RUN_ELSEWHERE, GONE = "is being run by another process", ("is no longer in", "no execution has the id")


@durable
def asks(event, ctx):
    return ctx.create_callback(name="approval").result()


def told(answers):
    return [answer.get("done") for answer in answers], " ".join(answer.get("refused", "") for answer in answers)


def two_resume(done, refused, charged):
    assert "SUCCEEDED" in done
    assert done == ["SUCCEEDED"] * 2 or RUN_ELSEWHERE in refused
    assert charged == 1


def two_stop(done, refused, charged):
    assert done.count("STOPPED") == 1
    assert "has ended already: STOPPED" in refused
    assert charged == 0


def two_answer(done, refused, charged):
    assert done.count("answered") == 1
    assert "can't be answered" in refused or "no callback of that name or id" in refused
    assert charged == 0


def one_stops_what_the_other_resumes(done, refused, charged):
    if done[0] == "SUCCEEDED":
        assert "has ended already: SUCCEEDED" in refused
        assert charged == 1
    else:
        assert done == ["STOPPED", "STOPPED"]
        assert charged <= 1  # before it was stopped


def one_prunes_what_the_other_resumes(done, refused, charged):
    assert done[1] in {"0 removed", "1 removed"}
    assert done[0] == "SUCCEEDED" or any(words in refused for words in GONE)
    assert charged == 1


def one_prunes_what_the_other_stops(done, refused, charged):
    assert done[1] in {"0 removed", "1 removed"}
    assert done[0] == "STOPPED" or any(words in refused for words in GONE)
    assert charged == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "answered", "judge"),
    [
        (("resume", "resume"), True, two_resume),
        (("stop", "stop"), False, two_stop),
        (("callback", "callback"), False, two_answer),
        (("resume", "stop"), True, one_stops_what_the_other_resumes),
        (("resume", "prune"), True, one_prunes_what_the_other_resumes),
        (("stop", "prune"), False, one_prunes_what_the_other_stops),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_of_two_processes_at_one_execution_one_wins_and_the_other_is_told(racers, what, answered, judge):
    two = racers(2)
    runner = LocalRunner(asks, two.store)
    for number in range(ROUNDS):
        name = f"order-{number}"
        runner.run(name, name=name, wait=False)
        if answered:
            runner.executions.callback("approval", execution=name).succeed("yes")
        tasks = ({"what": one, "name": name, "handler": "asks", "value": str(n)} for n, one in enumerate(what))
        done, refused = told(two.race(*tasks))
        judge(done, refused, two.charged[name])
        if what == ("callback", "callback"):
            answer = runner.resume(name).result
            assert answer == f'"{done.index("answered")}"'
