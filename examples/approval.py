"""A person decides: asked once, reminded each day, and after three days the deadline decides.

Run it here, and answer from a second terminal::

    powertools-durable run examples/approval.py:handler --event @examples/approval.json
    powertools-durable callback approval succeed '{"approved": true, "by": "ada"}'

Add ``--skip-time`` to the first and nobody needs to answer: the days fly past.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import Completion, DurableContext, durable

DAYS = 3


class Request(BaseModel):
    id: str
    text: str
    approver: str


class Decision(BaseModel):
    approved: bool
    by: str


def ask(callback_id: str, request: Request) -> None:
    """Send the approver a link that holds the callback id; here, the terminal shows how to answer."""


def remind(request: Request, day: int) -> str:
    return f"{request.approver}, {request.text!r} has been waiting for you for {day * 24} hours"


def carry_out(request: Request) -> None:
    """Do what was approved."""


def decision_of(request: Request, ctx: DurableContext) -> Decision:
    """Ask, and let the calendar run beside; whichever is first decides."""

    def person(child: DurableContext) -> Decision:
        return child.wait_for_callback(ask, request, name="approval", returns=Decision)

    def calendar(child: DurableContext) -> Decision:
        for day in range(1, DAYS):
            child.wait(timedelta(days=1), name=f"day-{day}")
            child.step(remind, request, day, name=f"reminder-{day}")
        child.wait(timedelta(days=1), name="last-day")
        return Decision(approved=False, by="the deadline")

    # A refusal to decide is a failure of the person's branch: it must not wait for the calendar.
    first = Completion(min_successful=1, tolerated_failure_count=0)
    race = ctx.parallel(
        {"person": person, "calendar": calendar}, name="decision", completion=first
    )
    race.raise_if_failed()
    return race.results[0]


@durable
def handler(request: Request, ctx: DurableContext) -> Decision:
    """Carry a request out if somebody approves it in time."""
    decision = decision_of(request, ctx)
    if decision.approved:
        ctx.step(carry_out, request)
    return decision
