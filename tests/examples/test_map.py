"""Each handler that docs/operations/map.md quotes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.operations import map as example
from powertools_durable.testing import Simulator


def test_album_publishes_each_photo_in_the_order_of_the_input():
    photos = [{"id": f"p{number}", "width": 4000} for number in range(25)]
    run = Simulator(example.album).start(photos).finish()
    assert run.status == "SUCCEEDED"
    assert run.result == [f"album/p{number}.jpg" for number in range(25)]
    assert run.operation("map-item-24").parent_id == run.operation("publish").id


def test_album_fails_with_what_the_first_branch_raised(monkeypatch):
    def upload(photo: example.Photo) -> str:
        if photo.id == "p1":
            raise PermissionError("the album is full")
        return ""

    monkeypatch.setattr(example, "upload", upload)
    monkeypatch.setattr(example.Retry, "default", example.Retry.none)
    run = Simulator(example.album).start([{"id": f"p{number}", "width": 1} for number in range(3)]).finish()
    assert (run.status, run.error.error_message) == ("FAILED", "the album is full")
    assert run.operation("publish").status == "SUCCEEDED"  # a map itself does not fail


def test_broken_links_tells_those_and_looks_at_all():
    links = ["a.example/1", "a.example/404", "b.example/2", "b.example/404"]
    run = Simulator(example.broken_links).start(links).finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["a.example/404", "b.example/404"])
    assert [run.operation(link).status for link in links] == ["SUCCEEDED", "FAILED"] * 2


def test_remind_all_prints_two_at_a_time():
    run = Simulator(example.remind_all).start(["ada", "bob", "cy"])
    started = run.now
    assert [record.name for record in run.operations if record.sub_type == "MapIteration"] == [
        "map-item-0",
        "map-item-1",
    ]
    run.finish()
    assert run.result == [f"sent letter {number} to {name}" for number, name in enumerate(["ada", "bob", "cy"], 1)]
    assert run.now - started >= timedelta(minutes=2)


def test_words_counts_without_a_record_for_each_page():
    run = Simulator(example.words).start(["one two", "three", "four five six"]).finish()
    assert (run.status, run.result) == ("SUCCEEDED", 6)
    counts = [record for record in run.operations if record.name == "count"]
    assert {record.parent_id for record in counts} == {run.operation("count_words").id}
    assert len(run.operations) == 4


@pytest.mark.parametrize(
    ("judges", "told"),
    [
        (["Ada", "Bob", "Cy"], "SUCCEEDED after 2 votes"),
        (["Ada", "Ned", "Cy"], "SUCCEEDED after 3 votes"),
        (["Nan", "Ada", "Ned"], "FAILED after 3 votes"),
        (["Nan", "Ned", "Ada"], "FAILED after 2 votes"),
    ],
)
def test_verdict_ends_with_the_majority(judges, told):
    run = Simulator(example.verdict).start(judges).finish()
    assert (run.status, run.result) == ("SUCCEEDED", told)
