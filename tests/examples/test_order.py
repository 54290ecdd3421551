"""examples/order.py: the order of README.md, in virtual time and by the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from examples.order import handler
from powertools_durable.testing import Simulator

EVENT = json.loads((Path(__file__).parents[2] / "examples" / "order.json").read_text())
RECEIPT = {
    "order": "42",
    "payment": {"id": "pay-42", "amount": "51.00"},
    "approved_by": "ada",
    "parcels": ["parcel-teapot", "parcel-cup"],
}


def names(run):
    return [operation.name for operation in run.operations]


def waiting_order():
    """An order that has come to where a human must decide."""
    run = Simulator(handler).start(EVENT).finish()
    assert [record.name for record in run.waiting_for] == ["approval"]
    return run


def test_an_approved_order_is_charged_once_and_shipped():
    run = waiting_order()
    run.callback("approval").succeed({"approved": True, "by": "ada"})
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", RECEIPT)
    assert run.operation("charge").attempts == 3  # its network is busy twice
    assert run.operation("label-cup").parent_id == run.operation("ship").id


def test_a_declined_order_fails_and_nothing_is_shipped():
    run = waiting_order()
    run.callback("approval").succeed({"approved": False, "by": "bob"})
    run.finish()
    assert run.status == "FAILED"
    assert "bob did not approve" in str(run.error)
    assert "ship" not in names(run)


def test_an_order_that_nobody_approves_fails_after_two_days():
    run = waiting_order()
    run.advance(timedelta(days=2))
    assert run.status == "FAILED"
    approval = run.operation("approval")
    assert approval.end_timestamp - approval.start_timestamp == timedelta(days=2)
