"""A step's function notes what to undo. It does not run again, so after a crash nothing is undone."""

from __future__ import annotations

from powertools_durable import Retry, StepError, current_step, durable
from powertools_durable.testing import Ledger

ledger = Ledger()
EVENT = {"city": "venice"}
DOCTOR = "step-write"
SAYS = "is not recorded any more"


def once(effect):
    ledger.record(effect, key=current_step().idempotency_key)


def book_car(city):
    raise LookupError(f"there are no cars in {city}")


@durable
def handler(event, ctx):
    undo = []

    def book_hotel():
        once("book-hotel")
        undo.append("cancel-hotel")

    ctx.step(book_hotel)
    try:
        ctx.step(book_car, event["city"], retry=Retry.none())
    except StepError:
        for effect in reversed(undo):
            ctx.step(once, effect, name=effect)
        return "undone"
