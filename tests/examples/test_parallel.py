"""Each handler that docs/operations/parallel.md quotes."""

from __future__ import annotations

import pytest

from examples.operations import parallel as example
from powertools_durable.testing import Simulator


@pytest.mark.parametrize(("sku", "accepted"), [("teapot", True), ("unicorn", False)])
def test_accept_makes_both_checks(sku, accepted):
    run = Simulator(example.accept).start({"id": "42", "sku": sku}).finish()
    assert (run.status, run.result) == ("SUCCEEDED", accepted)
    checks = run.operation("checks")
    assert {run.operation(name).parent_id for name in ("stock", "fraud")} == {checks.id}


def test_accept_looks_at_the_stock_while_the_other_check_waits():
    run = Simulator(example.accept).start({"id": "42", "sku": "teapot"})
    assert (run.operation("stock").status, run.operation("fraud").status) == ("SUCCEEDED", "STARTED")


def test_first_offer_takes_the_one_that_comes_first():
    run = Simulator(example.first_offer).start(["dromedary", "snail", "tortoise"])
    assert len(run.open_callbacks) == 3
    run.callback("offer-snail").succeed({"price": 12})
    assert (run.status, run.result) == ("SUCCEEDED", "snail for 12")
    assert run.operation("dromedary").status == "STARTED"  # cut off


def test_first_offer_goes_on_while_one_carrier_declines():
    run = Simulator(example.first_offer).start(["dromedary", "snail"])
    run.callback("offer-dromedary").fail("no room")
    assert run.status == "RUNNING"
    run.callback("offer-snail").succeed({"price": 12})
    assert run.result == "snail for 12"


def test_first_offer_fails_when_every_carrier_declines():
    run = Simulator(example.first_offer).start(["dromedary", "snail"])
    run.callback("offer-snail").fail("too far")
    run.callback("offer-dromedary").fail("no room")
    assert (run.status, run.error.error_message) == ("FAILED", "no room")


def test_alarm_tells_everybody_it_can_reach():
    run = Simulator(example.alarm).start(["mail", "pager", "chat"]).finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["notified by mail", "notified by chat", "the pager is off"])
    assert run.operation("parallel-branch-1").status == "FAILED"
