"""examples/testing/: the tests that docs/testing/ quotes are tests here."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import pytest

from examples import five_lines
from examples.testing import fixtures, mocks, shop, teapots, test_histories
from examples.testing.fixtures import test_ada_is_greeted, test_each_line_is_logged_once
from examples.testing.mocks import (
    test_a_declined_card_is_not_charged,
    test_a_parcel_waits_to_be_picked_up,
    test_a_payment_has_an_id,
    test_an_approved_order,
    test_each_parcel_has_its_label,
    test_labels_are_returned_in_order,
    test_who_can_not_pay_is_told,
)
from examples.testing.shop import (
    test_a_mail_outside_of_a_step_is_found,
    test_an_invocation_that_times_out_is_made_again,
    test_an_order_comes_out_the_same_wherever_lambda_dies,
    test_two_crashes_in_one_run,
)
from examples.testing.teapots import test_some_seeds_sell_a_teapot_twice
from examples.testing.test_histories import test_a_recorded_order_goes_on_with_this_code
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing import MockDurableContext, Simulator, explore
from powertools_durable.testing.pytest_plugin import _told

ROOT = Path(__file__).parents[2]

__all__ = [
    "test_a_declined_card_is_not_charged",
    "test_a_mail_outside_of_a_step_is_found",
    "test_a_parcel_waits_to_be_picked_up",
    "test_a_payment_has_an_id",
    "test_a_recorded_order_goes_on_with_this_code",
    "test_ada_is_greeted",
    "test_an_approved_order",
    "test_an_invocation_that_times_out_is_made_again",
    "test_an_order_comes_out_the_same_wherever_lambda_dies",
    "test_each_line_is_logged_once",
    "test_each_parcel_has_its_label",
    "test_labels_are_returned_in_order",
    "test_some_seeds_sell_a_teapot_twice",
    "test_two_crashes_in_one_run",
    "test_who_can_not_pay_is_told",
]


def test_all_of_its_tests_are_run_here():
    shown = [
        name
        for module in (fixtures, mocks, shop, teapots, test_histories)
        for name in vars(module)
        if name.startswith("test_")
    ]
    assert sorted(shown) == sorted(__all__)


def test_the_reports_that_the_page_shows_are_the_real_ones():
    broken = explore(shop.mails_twice, "order-42", ledger=shop.ledger)
    shown = (ROOT / "examples" / "testing" / "report.txt").read_text()
    assert shown == broken.report().replace(f"{ROOT}/", "") + "\n"
    correct = explore(shop.handler, "order-42", ledger=shop.ledger, callbacks={"approval": "ada"})
    assert f"\n{correct.report()}\n" in (ROOT / "docs" / "testing" / "exploring-crashes.md").read_text()


def test_the_assertion_that_the_page_shows_is_the_real_one():
    run = MockDurableContext().build()
    with pytest.raises(SuspendExecution):
        mocks.ship(run.ctx, "cup")
    with pytest.raises(AssertionError) as caught:
        run.assert_operations(["step:print-label", "step:charge"])
    shown = (ROOT / "examples" / "testing" / "difference.txt").read_text()
    assert shown == f"AssertionError: {caught.value}\n"


def test_what_the_page_shows_of_a_failing_test_is_the_real_thing(durable_simulator):
    run = durable_simulator(fixtures.handler).start("Ada").finish()
    heading, *lines = (ROOT / "examples" / "testing" / "failure.txt").read_text().splitlines()
    assert lines == _told(run).splitlines()
    assert heading.strip("- ") == "Durable executions"


def test_a_replay_stops_at_the_payment(monkeypatch):
    stops = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stops.append(inspect.currentframe().f_back.f_locals["order_id"]))
    run = Simulator(five_lines.handler).start("order-42").finish()
    test_histories.stop_at_the_payment(json.dumps({"Events": run.history()}, default=str))
    assert stops == ["order-42"]
