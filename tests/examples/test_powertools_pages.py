"""examples/powertools/test_handlers.py: the tests that docs/powertools/ quotes are tests here."""

from __future__ import annotations

import pytest

from examples.powertools import neighbours, test_handlers
from examples.powertools.test_handlers import (
    test_a_record_holds_a_pointer_to_the_report,
    test_a_replay_goes_the_same_way_on_another_day,
    test_a_second_execution_gets_the_result_of_the_first,
    test_a_wrong_input_fails_the_execution,
    test_lambda_sees_a_suspension_and_a_result,
    test_no_card_number_is_in_a_record,
)

__all__ = [
    "test_a_record_holds_a_pointer_to_the_report",
    "test_a_replay_goes_the_same_way_on_another_day",
    "test_a_second_execution_gets_the_result_of_the_first",
    "test_a_wrong_input_fails_the_execution",
    "test_lambda_sees_a_suspension_and_a_result",
    "test_no_card_number_is_in_a_record",
]


@pytest.fixture(autouse=True)
def nothing_stored():
    neighbours.store.records.clear()


def test_all_of_its_tests_are_run_here():
    assert sorted(name for name in vars(test_handlers) if name.startswith("test_")) == sorted(__all__)
