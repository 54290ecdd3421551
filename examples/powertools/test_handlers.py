"""Tests that the pages of docs/powertools/ quote; tests/examples/test_powertools_pages.py runs them."""

from __future__ import annotations

import json

import pytest

from examples.powertools.data_masking import encrypts
from examples.powertools.decorator_order import handler
from examples.powertools.large_values import publish
from examples.powertools.neighbours import place_order
from examples.powertools.pitfalls import branches_on_what_a_step_found
from powertools_durable.testing import Simulator


# --8<-- [start:encrypted]
def test_no_card_number_is_in_a_record() -> None:
    run = Simulator(encrypts).start(["ada"]).finish()
    assert run.status == "SUCCEEDED"
    assert "4111" not in str(run.operations)


# --8<-- [end:encrypted]


# --8<-- [start:order]
def test_lambda_sees_a_suspension_and_a_result() -> None:
    run = Simulator(handler).start({"id": "42"}).finish()
    first, second = (invocation.answer for invocation in run.invocations)
    assert first == {"Status": "PENDING"}
    assert second == {"Status": "SUCCEEDED", "Result": '"42"'}


# --8<-- [end:order]


# --8<-- [start:large]
def test_a_record_holds_a_pointer_to_the_report() -> None:
    run = Simulator(publish).start("Q1").finish()
    record = run.operation("render").result
    assert json.loads(record or "")["bytes"] > 700_000


# --8<-- [end:large]


# --8<-- [start:idempotent]
def test_a_second_execution_gets_the_result_of_the_first() -> None:
    first = Simulator(place_order).start({"id": "42"}).finish()
    second = Simulator(place_order).start({"id": "42"}).finish()
    assert first.result == second.result


# --8<-- [end:idempotent]


# --8<-- [start:input]
def test_a_wrong_input_fails_the_execution() -> None:
    from examples.powertools.parser import place_order

    run = Simulator(place_order).start({"id": "seven"})
    assert run.error
    assert run.error.error_type == "PayloadValidationError"


# --8<-- [end:input]


# --8<-- [start:changed]
def test_a_replay_goes_the_same_way_on_another_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_weekend = f"{branches_on_what_a_step_found.__module__}.is_weekend"
    monkeypatch.setattr(is_weekend, lambda: True)
    run = Simulator(branches_on_what_a_step_found).start()
    monkeypatch.setattr(is_weekend, lambda: False)
    assert run.finish().status == "SUCCEEDED"


# --8<-- [end:changed]
