"""Each handler that docs/operations/with-retry.md quotes."""

from __future__ import annotations

import pytest

from examples.operations import with_retry as example
from powertools_durable.testing import Simulator


@pytest.fixture
def bookings(monkeypatch):
    """What was tried to be booked; `errors` are raised one after the other before a booking succeeds."""

    class Bookings(list):
        errors = ()

    tried = Bookings()

    def book(offer: example.Offer) -> str:
        tried.append(offer.id)
        if tried.errors:
            raise tried.errors.pop(0)
        return original(offer)

    original = example.book
    monkeypatch.setattr(example, "book", book)
    return tried


def steps(run, name):
    return [record for record in run.operations if record.name == name]


def test_travel_books_what_was_offered():
    run = Simulator(example.travel).start("LH 1").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "booked offer-for-LH 1 for 120")


def test_travel_gets_a_new_offer_when_the_first_has_expired(bookings):
    bookings.errors = [example.ExpiredError("too late")]
    run = Simulator(example.travel).start("LH 1").finish()
    assert (run.status, len(bookings)) == ("SUCCEEDED", 2)
    assert [step.attempts for step in steps(run, "get_offer")] == [1, 1]
    assert [step.status for step in steps(run, "book")] == ["FAILED", "SUCCEEDED"]
    assert run.operation("book_a_seat-backoff-1").status == "SUCCEEDED"


def test_travel_gives_up_after_three_offers(bookings):
    bookings.errors = [example.ExpiredError(f"too late, {number}") for number in range(5)]
    run = Simulator(example.travel).start("LH 1").finish()
    assert (run.status, run.error.error_message, len(bookings)) == ("FAILED", "too late, 2", 3)


def test_travel_somehow_does_not_ask_again_for_what_will_not_change(bookings):
    bookings.errors = [example.SoldOutError("no seat is left")]
    run = Simulator(example.travel_somehow).start("LH 1").finish()
    assert (run.status, run.result, len(bookings)) == ("SUCCEEDED", "by train, because no seat is left", 1)
