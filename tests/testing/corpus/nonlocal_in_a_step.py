"""A step adds to a variable around it, and a replay does not add again."""

from __future__ import annotations

from powertools_durable import durable

EVENT = [3, 4]
DOCTOR = "step-write"
SAYS = "in place of"


@durable
def handler(event, ctx):
    total = 0

    def charge(amount):
        nonlocal total
        total += amount
        return amount

    for number, amount in enumerate(event):
        ctx.step(charge, amount, name=f"charge-{number}")
    return ctx.step(str, total, name="receipt")
