"""examples/invoices.py: fan-out plus approval, as `def` and as `async def`, and the tests that a page quotes."""

from __future__ import annotations

import pytest

# --8<-- [start:tests]
from examples.invoices import async_handler, handler
from powertools_durable.testing import Simulator, explore

BATCH = {"invoices": [{"id": "a-17", "amount": 600}, {"id": "a-18", "amount": 700}]}
ANSWERS = {"approval": {"approved": True, "by": "ada"}}


def test_a_large_batch_is_paid_after_approval():
    run = Simulator(handler).start(BATCH).finish()
    run.callback("approval").succeed({"approved": True, "by": "ada"})
    assert run.finish().result == ["payment-a-17", "payment-a-18"]


def test_a_refused_batch_is_not_paid():
    run = Simulator(handler).start(BATCH).finish()
    run.callback("approval").succeed({"approved": False, "by": "ada"})
    assert run.finish().result == []


def test_it_survives_a_crash_anywhere():
    explore(handler, BATCH, callbacks=ANSWERS).assert_survives()


# --8<-- [end:tests]


def test_a_small_batch_needs_no_approval():
    run = Simulator(handler).start({"invoices": [{"id": "a-17", "amount": 600}]}).finish()
    assert run.result == ["payment-a-17"]


@pytest.mark.parametrize(("approved", "paid"), [(True, ["payment-a-17", "payment-a-18"]), (False, [])])
def test_the_async_handler_does_the_same(approved, paid):
    run = Simulator(async_handler).start(BATCH).finish()
    run.callback("approval").succeed({"approved": approved, "by": "ada"})
    assert run.finish().result == paid


@pytest.mark.slow
def test_the_async_handler_survives_a_crash_anywhere():
    explore(async_handler, BATCH, callbacks=ANSWERS).assert_survives()
