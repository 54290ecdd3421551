"""Pairs of processes that do something to one execution at the same moment, and what may come of it.

``python -m tests.local.pairs --rounds 200`` races each pair so often; with ``--only prune`` those of a prune.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from powertools_durable import durable
from powertools_durable.local import LocalExecutions, LocalRunner, SqliteStore

_PRUNE_LATER = 0.05  # seconds at most
RACING = Path(__file__).parent / "racing.py"


class Racers:
    """Processes that wait for what to do."""

    def __init__(self, folder, count):
        self._random = random.Random(0)
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
        """Give each process its task, to be done at one moment; return their answers.

        A prune takes less time than to look for the execution does, so it comes a little later.
        """
        at = time.time() + 0.005
        for process, task in zip(self._processes, tasks, strict=True):
            later = self._random.uniform(0, _PRUNE_LATER) if task["what"] == "prune" else 0
            process.stdin.write(json.dumps({"at": at + later, **task}) + "\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in self._processes]

    @property
    def charged(self):
        return Counter(self.ledger.read_text().split() if self.ledger.exists() else [])


RUN_ELSEWHERE, GONE = "is being run by another process", ("is no longer in", "no execution has the id")


@durable
def asks(event, ctx):
    return ctx.create_callback(name="approval").result()


def told(answers):
    return [answer.get("done") for answer in answers], " ".join(answer.get("refused", "") for answer in answers)


def held(store):
    """Return the status of each execution in the store."""
    return {one.name: str(one.status) for one in LocalExecutions(SqliteStore(store))}


def two_resume(done, refused, charged):
    assert "SUCCEEDED" in done
    assert done == ["SUCCEEDED"] * 2 or RUN_ELSEWHERE in refused
    assert charged == 1


def two_stop(done, refused, charged):
    assert done.count("STOPPED") == 1
    assert "has already ended: STOPPED" in refused
    assert charged == 0


def two_answer(done, refused, charged):
    assert done.count("answered") == 1
    assert "was answered already" in refused
    assert charged == 0


def two_run(done, refused, charged):
    assert "SUCCEEDED" in done
    assert done == ["SUCCEEDED"] * 2 or RUN_ELSEWHERE in refused
    assert charged == 1


def two_prune(done, refused, charged):
    assert sorted(done) == ["0 removed", "1 removed"], (done, refused)
    assert (refused.strip(), charged) == ("", 0)


def one_answers_what_the_other_stops(done, refused, charged):
    assert done[1] == "STOPPED"
    assert done[0] == "answered" or "has ended, STOPPED" in refused
    assert charged == 0


def one_stops_what_the_other_resumes(done, refused, charged):
    if done[0] == "SUCCEEDED":
        assert "has already ended: SUCCEEDED" in refused
        assert charged == 1
    else:
        assert done == ["STOPPED", "STOPPED"]
        assert charged <= 1  # before it was stopped


def one_prunes_what_the_other_resumes(done, refused, charged):
    assert done[0] == "SUCCEEDED" or (done[1] == "1 removed" and any(words in refused for words in GONE))
    assert charged == 1


def one_prunes_what_the_other_stops(done, refused, charged):
    assert done[0] == "STOPPED" or (done[1] == "1 removed" and any(words in refused for words in GONE))
    assert charged == 0


# what they do, what was done before (the callback is answered, or the execution has ended), and who judges
ANSWERED, ENDED, UNKNOWN = "answered", "ended", "unknown"
PAIRS = (
    (("run", "run"), UNKNOWN, two_run),
    (("prune", "prune"), ENDED, two_prune),
    (("callback", "stop"), None, one_answers_what_the_other_stops),
    (("resume", "resume"), ANSWERED, two_resume),
    (("stop", "stop"), None, two_stop),
    (("callback", "callback"), None, two_answer),
    (("resume", "stop"), ANSWERED, one_stops_what_the_other_resumes),
    (("resume", "prune"), ANSWERED, one_prunes_what_the_other_resumes),
    (("stop", "prune"), None, one_prunes_what_the_other_stops),
)


def race_pair(folder, pair, rounds):
    """Race one pair so often, each time for another execution; return how often each outcome was seen."""
    what, before, judge = pair
    seen = Counter()
    with Racers(folder, 2) as two:
        runner = LocalRunner(asks, two.store)
        for number in range(rounds):
            name = f"order-{number}"
            if before != UNKNOWN:
                runner.run(name, name=name, wait=False)
            if before == ENDED:
                runner.executions.stop(name)
            if before == ANSWERED:
                runner.executions.callback("approval", execution=name).succeed("yes")
            handler = "charges" if before == UNKNOWN else "asks"
            tasks = ({"what": one, "name": name, "handler": handler, "value": str(n)} for n, one in enumerate(what))
            done, refused = told(two.race(*tasks))
            judge(done, refused, two.charged[name])
            if what[1] == "prune" and what[0] != "prune":  # it removes what has ended, as it says, and nothing else
                assert done[1] == ("0 removed" if name in held(two.store) else "1 removed")
                assert held(two.store).get(name, "pruned") in {"SUCCEEDED", "STOPPED", "pruned"}
            if what == ("callback", "callback"):
                answer = runner.resume(name).result
                assert answer == f'"{done.index("answered")}"'
            seen[" and ".join(one or "refused" for one in done)] += 1
    return seen


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.local.pairs", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", default="", help="pairs that do this")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    for pair in (pair for pair in PAIRS if arguments.only in " against ".join(pair[0])):
        with tempfile.TemporaryDirectory() as folder:
            seen = race_pair(Path(folder), pair, rounds)
        outcomes = ", ".join(f"{outcome}: {count}" for outcome, count in seen.most_common())
        sys.stdout.write(f"{' against '.join(pair[0])}, {rounds} rounds: {outcomes}\n")
        sys.stdout.flush()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    sys.stdout.write(f"{sum(one.ru_utime + one.ru_stime for one in used):.0f} s of CPU\n")


if __name__ == "__main__":
    main()
