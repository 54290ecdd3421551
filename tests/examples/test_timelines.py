"""The timelines that docs/operations/ shows are what `powertools-durable show` prints."""

from __future__ import annotations

import time

import pytest

from tests.examples.timelines import FOLDER, SHOWN, timeline


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_shows_the_timeline_of_its_example(name):
    assert (FOLDER / f"{name}.txt").read_text() == timeline(SHOWN[name]), "python -m tests.examples.timelines"


def test_each_operation_page_has_a_timeline():
    pages = {page.stem for page in (FOLDER.parents[2] / "docs" / "operations").glob("*.md")} - {"index"}
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(SHOWN) == pages
