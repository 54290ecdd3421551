"""Several processes do something to one execution at the same moment: one does it, the others are told so."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest

from powertools_durable import durable
from powertools_durable.local import LocalRunner, SqliteStore
from tests.local.pairs import PAIRS, Racers, race_pair

ROUNDS = 20  # of each pair; `make soak` races 200 of each


@durable
def filler(event, ctx):
    return event


@pytest.fixture
def racers(tmp_path):
    with ExitStack() as stack:
        yield lambda count: stack.enter_context(Racers(tmp_path, count))


# -- one start, one execution ----------------------------------------------------------------------------------


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
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Racers(folder, 4) as four:
            answers = four.race(*({"what": "run", "name": f"order-{n}"} for n in range(4)))
            assert answers == [{"done": "SUCCEEDED"}] * 4
            assert len(list(SqliteStore(four.store))) == 4


# -- one winner ------------------------------------------------------------------------------------------------


@pytest.mark.sampled(1)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair[0]))
def test_of_two_processes_at_one_execution_one_wins_and_the_other_is_told(tmp_path, pair):
    assert sum(race_pair(tmp_path, pair, ROUNDS).values()) == ROUNDS
