"""examples/saga.py: all of an order is undone, or only what failed of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples import saga as example
from powertools_durable.testing import Simulator

EVENT = json.loads((Path(__file__).parents[2] / "examples" / "saga.json").read_text())


def finished(**changes):
    return Simulator(example.handler).start(EVENT | changes).finish()


def undone(run):
    return [record.name for record in run.operations if record.sub_type == "Compensation"]


def test_an_order_that_can_be_insured_goes_by_courier_and_nothing_is_undone():
    run = finished(insure_for="100.00")
    assert (run.status, run.result["delivery"]) == ("SUCCEEDED", "courier-of-42")
    assert undone(run) == []


def test_an_order_that_nobody_insures_undoes_the_courier_alone_and_goes_by_post():
    run = finished()
    assert (run.status, run.result["delivery"]) == ("SUCCEEDED", "parcel-of-42")
    assert undone(run) == ["book_courier"]


def test_an_order_that_nobody_delivers_is_undone_from_its_end_to_its_beginning():
    run = finished(sku="piano")
    assert (run.status, run.error.error_message) == ("FAILED", "the post carries no pianos")
    assert undone(run) == ["book_courier", "charge", "reserve"]
    assert run.operation("pay_back").status == run.operation("tell_customer").status == "SUCCEEDED"


def test_what_is_undone_gets_what_its_step_returned(monkeypatch):
    shelves = []
    monkeypatch.setattr(example, "release", shelves.append)
    finished(sku="piano")
    assert shelves == ["shelf-of-piano"]


@pytest.mark.parametrize("crashing", ["cancel_courier", "pay_back", "release"])
def test_a_crash_in_the_middle_of_undoing_is_survived(monkeypatch, crashing):
    calls = []

    def crash_once(value):
        calls.append(value)
        if len(calls) == 1:
            raise MemoryError
        return ""

    monkeypatch.setattr(example, crashing, crash_once)
    run = finished(sku="piano")
    assert (run.status, len(calls)) == ("FAILED", 2)
    assert undone(run) == ["book_courier", "charge", "reserve"]
    assert {record.status for record in run.operations if record.sub_type == "Compensation"} == {"SUCCEEDED"}
