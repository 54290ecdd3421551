"""examples/powertools/data_masking: what docs/powertools/data-masking.md shows."""

from __future__ import annotations

import pytest

from examples.powertools import data_masking as example
from powertools_durable.testing import Simulator, explore

CARD = "4111 1111 1111 1111"


def recorded(run):
    return str([operation.result for operation in run.operations])


def test_a_masked_field_is_masked_for_the_handler_too():
    run = Simulator(example.masks).start({"id": "1"}).finish()
    assert (run.result, len(run.invocations)) == ("*****", 2)
    assert CARD not in recorded(run)


def test_rules_keep_the_last_digits():
    run = Simulator(example.keeps_last_digits).start({"id": "1"}).finish()
    assert run.result == "**** **** **** 1111"


def test_every_record_is_encrypted_under_the_decorator_s_serdes():
    run = Simulator(example.encrypts).start(["1", "2"]).finish()
    assert (run.result, len(run.invocations)) == (["1111", "1111"], 2)
    assert len([operation for operation in run.operations if operation.result]) == 5
    assert CARD not in recorded(run)
    assert "customer" not in recorded(run)


def test_masking_and_encrypting_go_together():
    run = Simulator(example.both).start({"id": "1"}).finish()
    assert run.result == "*****"
    assert "customer 1" not in recorded(run)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("handler", [example.encrypts, example.both, example.masks])
def test_it_comes_out_the_same_wherever_lambda_dies(handler):
    explore(handler, ["1", "2"] if handler is example.encrypts else {"id": "1"}).assert_survives()
