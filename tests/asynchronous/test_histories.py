"""Histories that were recorded on Python 3.11 replay on every later version: ids never depend on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.asynchronous.place_programs import PROGRAMS, history_of, replayed

HISTORIES = json.loads((Path(__file__).parent / "histories.json").read_text(encoding="utf-8"))


def test_there_is_a_history_of_each_program():
    assert set(HISTORIES) == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recorded_execution_comes_to_the_same_and_records_nothing_more(name):
    assert replayed(name, HISTORIES[name]) == {"Status": "SUCCEEDED", "Result": HISTORIES[name]["result"]}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_recorded_today_is_what_was_recorded(name):
    assert history_of(name)[1] == HISTORIES[name]["records"]
