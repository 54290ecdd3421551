"""examples/testing/: the tests that docs/testing/ quotes are tests here."""

from __future__ import annotations

from examples.testing import shop
from examples.testing.shop import (
    test_a_mail_outside_of_a_step_is_found,
    test_an_invocation_that_times_out_is_made_again,
    test_an_order_comes_out_the_same_wherever_lambda_dies,
    test_two_crashes_in_one_run,
)

__all__ = [
    "test_a_mail_outside_of_a_step_is_found",
    "test_an_invocation_that_times_out_is_made_again",
    "test_an_order_comes_out_the_same_wherever_lambda_dies",
    "test_two_crashes_in_one_run",
]


def test_all_of_its_tests_are_run_here():
    assert {name for name in vars(shop) if name.startswith("test_")} == set(__all__)
