"""A step is skipped if a module's cache has the answer: a warm environment goes another way than a cold one."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"currency": "EUR"}
DOCTOR = "global"
SAYS = "the code asks for"

RATES = {}


@durable
def handler(event, ctx):
    currency = event["currency"]
    if currency not in RATES:
        RATES[currency] = ctx.step(lambda: 1.1, name="rate")
    ctx.step(str, RATES[currency], name="charge")
    return RATES[currency]
