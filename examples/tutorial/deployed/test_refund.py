from datetime import timedelta

import pytest
from refund import handler

from powertools_durable import current_step
from powertools_durable.testing import Ledger, Simulator, explore

ledger = Ledger()


def pay_back(refund):
    """Stand in for a bank that knows the key of a payment it has made."""
    ledger.record("payment", key=current_step().idempotency_key)
    return f"payment-{refund.order_id}"


# --8<-- [start:mail]
def send_mail(refund, text):
    """Stand in for a mail service that sends each message id once."""
    ledger.record("mail", key=current_step().idempotency_key)


# --8<-- [end:mail]


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    ledger.clear()
    monkeypatch.setattr("refund.pay_back", pay_back)
    monkeypatch.setattr("refund.send_mail", send_mail)


def test_a_small_refund_needs_no_approval():
    run = Simulator(handler).start({"order_id": "4", "amount": 20}).finish()
    assert run.result == "payment-4"
    assert ledger.count("payment") == 1
    assert ledger.count("mail") == 2


def test_a_manager_can_refuse():
    run = Simulator(handler).start({"order_id": "4", "amount": 500})
    run.callback("approval").succeed({"approved": False, "by": "ada"})
    assert run.finish().result == "refused by ada"
    assert ledger.count("payment") == 0


def test_nobody_answers():
    run = Simulator(handler).start({"order_id": "4", "amount": 500})
    run.advance(timedelta(days=3))
    assert run.status == "FAILED"
    assert run.error.error_type == "CallbackTimeoutError"


def test_it_survives_a_crash_anywhere():
    explore(
        handler,
        {"order_id": "4", "amount": 500},
        ledger=ledger,
        callbacks={"approval": {"approved": True, "by": "ada"}},
    ).assert_survives()


# --8<-- [start:logged]
def test_each_line_is_logged_once(captured_logs):
    Simulator(handler).start({"order_id": "4", "amount": 20}).finish()
    assert captured_logs.messages == ["refund requested"]


# --8<-- [end:logged]
