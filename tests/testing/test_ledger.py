"""The effect ledger: what fakes did to the world outside."""

from __future__ import annotations

from powertools_durable import Retry, current_step, durable
from powertools_durable.testing import Ledger, Simulator


def test_an_entry_knows_which_attempt_of_which_step_made_it():
    ledger = Ledger()

    def charge():
        ledger.record("charge", amount=42)
        if current_step().attempt == 1:
            raise TimeoutError

    @durable
    def handler(event, ctx):
        ctx.step(charge, retry=Retry(max_attempts=2))
        ledger.record("mail")

    Simulator(handler).start().finish()
    assert [(e.effect, e.operation, e.attempt) for e in ledger] == [
        ("charge", "charge", 1),
        ("charge", "charge", 2),
        ("mail", None, None),
    ]
    assert ledger.entries[0].details == {"amount": 42}
    assert ledger.entries[0].location.startswith(f"{__file__}:")


def test_a_key_lets_the_receiver_recognise_a_repetition():
    ledger = Ledger()
    assert ledger.record("charge", key="a")
    assert not ledger.record("charge", key="a")
    assert ledger.record("charge", key="b")
    assert ledger.record("refund", key="a")
    assert (ledger.count("charge"), len(ledger)) == (2, 4)


def test_without_a_key_each_is_another_effect():
    ledger = Ledger()
    assert all(ledger.record("mail") for _ in range(3))
    assert ledger.count("mail") == 3


def test_a_decorated_fake_is_an_effect_of_its_name():
    ledger = Ledger()

    @ledger.effect
    def send(to, subject=""):
        """Send a mail."""
        return f"sent to {to}"

    assert send("ada", subject="hello") == "sent to ada"
    (entry,) = ledger
    assert (entry.effect, entry.details) == ("send", {"args": ("ada",), "subject": "hello"})
    assert send.__doc__ == "Send a mail."


def test_it_forgets_when_it_is_told_to():
    ledger = Ledger()
    ledger.record("mail")
    ledger.state["balance"] = 7
    ledger.clear()
    assert (len(ledger), ledger.state, repr(ledger)) == (0, {}, "<Ledger of 0 effects>")
