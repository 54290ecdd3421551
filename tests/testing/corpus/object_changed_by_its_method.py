"""A method that runs as a step changes its object, and a replay does not see the change."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "step-write"
SAYS = "in place of"


class Account:
    def __init__(self):
        self.balance = 0

    def deposit(self, amount):
        self.balance += amount
        return amount


@durable
def handler(event, ctx):
    account = Account()
    ctx.step(account.deposit, 100, name="deposit")
    return ctx.step(str, account.balance, name="balance")
