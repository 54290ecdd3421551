"""examples/testing/: the tests that docs/testing/ quotes are tests here."""

from __future__ import annotations

from pathlib import Path

from examples.testing import shop
from examples.testing.shop import (
    test_a_mail_outside_of_a_step_is_found,
    test_an_invocation_that_times_out_is_made_again,
    test_an_order_comes_out_the_same_wherever_lambda_dies,
    test_two_crashes_in_one_run,
)
from powertools_durable.testing import explore

ROOT = Path(__file__).parents[2]

__all__ = [
    "test_a_mail_outside_of_a_step_is_found",
    "test_an_invocation_that_times_out_is_made_again",
    "test_an_order_comes_out_the_same_wherever_lambda_dies",
    "test_two_crashes_in_one_run",
]


def test_all_of_its_tests_are_run_here():
    assert {name for name in vars(shop) if name.startswith("test_")} == set(__all__)


def test_the_reports_that_the_page_shows_are_the_real_ones():
    broken = explore(shop.mails_twice, "order-42", ledger=shop.ledger)
    shown = (ROOT / "examples" / "testing" / "report.txt").read_text()
    assert shown == broken.report().replace(f"{ROOT}/", "") + "\n"
    correct = explore(shop.handler, "order-42", ledger=shop.ledger, callbacks={"approval": "ada"})
    assert f"\n{correct.report()}\n" in (ROOT / "docs" / "testing" / "exploring-crashes.md").read_text()
