"""Each handler that docs/operations/step.md quotes."""

from __future__ import annotations

import pytest

from examples.operations import step as example
from powertools_durable.testing import Simulator


def finished(handler, event):
    return Simulator(handler).start(event).finish()


def test_place_order_charges_what_the_order_costs():
    run = finished(example.place_order, {"id": "42", "total": "51.00"})
    assert (run.status, run.result) == ("SUCCEEDED", {"order_id": "42", "amount": "51.00"})


def test_convert_tries_again_until_the_provider_has_time():
    run = finished(example.convert, "USD")
    assert (run.status, run.result) == ("SUCCEEDED", "1.08")
    assert run.operation("exchange_rate").attempts == 3


def test_convert_does_not_try_again_after_another_error(monkeypatch):
    def exchange_rate(currency):
        raise LookupError(currency)

    monkeypatch.setattr(example, "exchange_rate", exchange_rate)
    run = finished(example.convert, "XXX")
    assert run.status == "FAILED"
    assert run.operation("exchange_rate").attempts == 1


# --8<-- [start:crash]
class CrashError(MemoryError):
    """Leaves the handler as the death of its process does: nothing more is recorded."""


def crashing_after(function, crashes=1):
    """*function*, whose first calls do their work and then take the invocation down."""
    calls = []

    def crashing(*args, **kwargs):
        calls.append(args)
        result = function(*args, **kwargs)
        if len(calls) <= crashes:
            raise CrashError
        return result

    crashing.__name__ = function.__name__
    crashing.calls = calls
    return crashing


# --8<-- [end:crash]


def test_charge_safely_charges_once_though_its_body_runs_twice(monkeypatch):
    charge = crashing_after(example.charge_once)
    monkeypatch.setattr(example, "charge_once", charge)
    monkeypatch.setattr(example, "ACCOUNTS", {})
    run = finished(example.charge_safely, "9.50")
    assert (run.status, run.result) == ("SUCCEEDED", "charged 9.50")
    assert len(charge.calls) == 2
    assert len(example.ACCOUNTS) == 1


def test_two_executions_charge_with_different_keys(monkeypatch):
    monkeypatch.setattr(example, "ACCOUNTS", {})
    simulator = Simulator(example.charge_safely)
    simulator.start("1.00", name="first").finish()
    simulator.start("2.00", name="second").finish()
    assert len(example.ACCOUNTS) == 2


def test_pay_out_sends_the_money():
    run = finished(example.pay_out, "DE-1")
    assert (run.status, run.result) == ("SUCCEEDED", "sent to DE-1")


# --8<-- [start:crash_test]
def test_an_interrupted_pay_out_asks_the_bank_and_does_not_send_twice(monkeypatch):
    transfer = crashing_after(example.transfer)
    monkeypatch.setattr(example, "transfer", transfer)
    run = finished(example.pay_out, "DE-1")
    assert (run.status, run.result) == ("SUCCEEDED", "found on the statement of DE-1")
    assert transfer.calls == [("DE-1",)]


# --8<-- [end:crash_test]


@pytest.mark.parametrize(("quantity", "steps"), [(2, ["reserve"]), (5, ["reserve", "reserve-the-rest"])])
def test_reserve_takes_what_there_is(quantity, steps):
    run = finished(example.reserve_what_there_is, quantity)
    assert (run.status, run.result) == ("SUCCEEDED", min(quantity, 3))
    assert [operation.name for operation in run.operations if operation.type == "STEP"] == steps
