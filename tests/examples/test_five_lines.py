from __future__ import annotations

# --8<-- [start:test]
from datetime import timedelta

from examples.five_lines import async_handler, handler
from powertools_durable.testing import Simulator


def test_the_five_lines_charge_wait_a_day_and_ship():
    run = Simulator(handler).start("order-42").finish()
    assert run.status == "SUCCEEDED"
    assert run.result == "order-42 is on its way, paid by payment-of-order-42"
    charge, ship = run.operation("charge"), run.operation("ship")
    assert ship.start_timestamp - charge.end_timestamp >= timedelta(days=1)


# --8<-- [end:test]


def test_the_async_handler_charges_and_packs_at_the_same_time():
    run = Simulator(async_handler).start("order-42").finish()
    assert run.result == "parcel-of-order-42 is on its way, paid by payment-of-order-42"
    assert {run.operation(name).start_timestamp for name in ("charge_card", "pack")} == {
        run.operation("charge_card").start_timestamp
    }
