"""Each handler that docs/operations/saga.md quotes."""

from __future__ import annotations

from datetime import timedelta

from examples.operations import compensation as example
from powertools_durable import Retry, current_step_or_none, durable
from powertools_durable.testing import Ledger, Simulator, explore


def undone(run):
    return [(record.name, record.status) for record in run.operations if record.sub_type == "Compensation"]


def test_travel_books_everything_and_undoes_nothing():
    run = Simulator(example.travel).start("turin").finish()
    assert (run.status, run.result) == ("SUCCEEDED", ["hotel-in-turin", "flight-to-turin", "car-in-turin"])
    assert undone(run) == []


def test_travel_without_a_car_undoes_the_flight_and_then_the_hotel():
    run = Simulator(example.travel).start("venice").finish()
    assert (run.status, run.error.error_message) == ("FAILED", "there are no cars in venice")
    assert undone(run) == [("book_flight", "SUCCEEDED"), ("book_hotel", "SUCCEEDED")]


def test_sell_waits_while_it_undoes():
    run = Simulator(example.sell).start(500)
    assert run.status == "RUNNING"
    run.finish()
    assert (run.status, run.error.error_message) == ("FAILED", "out of stock")
    assert undone(run) == [("charge", "SUCCEEDED")]
    assert run.operation("confirm").start_timestamp - run.operation("ask_bank").end_timestamp >= timedelta(days=2)


def test_sell_keeps_the_payment_of_what_is_there():
    run = Simulator(example.sell).start(50).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "payment-of-50")


def test_sell_once_pays_back_once_wherever_lambda_dies(monkeypatch):
    ledger = Ledger()
    monkeypatch.setattr(example, "pay_back", lambda payment, key: ledger.record("pay back", key=key, payment=payment))
    found = explore(example.sell_once, 500, ledger=ledger)
    found.assert_survives()
    assert found.runs > len(found.crash_points)
    assert undone(Simulator(example.sell_once).start(500).finish()) == [("charge", "SUCCEEDED")]


def test_a_compensation_with_one_parameter_is_no_step_and_has_no_key():
    ledger, seen = Ledger(), []

    def pay_back(payment):
        seen.append(current_step_or_none())
        ledger.record("pay back", payment=payment)

    @durable
    def sell(amount, ctx):
        with ctx.saga():
            ctx.step_with_compensation(example.charge, amount, compensate=pay_back)
            ctx.step(example.hand_over, amount, retry=Retry.none())

    found = explore(sell, 500, ledger=ledger)
    assert any("effect 'pay back' happens 2 times" in failure.differed for failure in found.failures)
    assert set(seen) == {None}


def test_travel_if_possible_goes_on_after_undoing():
    run = Simulator(example.travel_if_possible).start("venice").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "undone: book_flight, book_hotel")
    assert Simulator(example.travel_if_possible).start("turin").finish().result == "car-in-turin"


def test_travel_cheaply_undoes_the_rest_and_tells_what_could_not_be_undone():
    run = Simulator(example.travel_cheaply).start("venice").finish()
    assert run.result == "call the help desk: undoing book_hotel failed, after StepError"
    assert undone(run) == [("book_flight", "SUCCEEDED"), ("book_hotel", "FAILED")]


def test_clean_room_unlocks_once_at_the_end_and_not_when_it_waits():
    run = Simulator(example.clean_room).start("101")
    assert "unlock" not in [record.name for record in run.operations]
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", "101 is clean")
    assert [record.name for record in run.operations][-2:] == ["clean", "unlock"]


def test_clean_room_unlocks_after_a_failure_too(monkeypatch):
    def clean(room):
        raise PermissionError("somebody sleeps there")

    monkeypatch.setattr(example, "clean", clean)
    run = Simulator(example.clean_room).start("101").finish()
    assert (run.status, run.error.error_message) == ("FAILED", "somebody sleeps there")
    assert run.operation("unlock").status == "SUCCEEDED"


def test_fly_gives_the_seat_back_when_there_is_no_car():
    functions = {"flights:live": lambda event: f"seat-to-{event['city']}"}
    run = Simulator(example.fly, functions=functions).start("venice").finish()
    assert (run.status, run.error.error_message) == ("FAILED", "there are no cars in venice")
    assert run.operation("cancel_flight").status == "SUCCEEDED"
    assert Simulator(example.fly, functions=functions).start("turin").finish().result == [
        "seat-to-turin",
        "car-in-turin",
    ]
