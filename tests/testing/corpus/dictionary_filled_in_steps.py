"""Steps put their results into a dictionary around them, and a replay leaves it empty."""

from __future__ import annotations

from powertools_durable import durable

EVENT = ["cup", "pot"]
DOCTOR = "step-write"
SAYS = "in place of"


@durable
def handler(event, ctx):
    prices = {}

    def price(sku):
        prices[sku] = len(sku)

    for sku in event:
        ctx.step(price, sku, name=f"price-{sku}")
    return ctx.step(sum, prices.values(), name="total") if prices else "nothing"
