"""Steps put items into an object, and a wait follows: no run without a crash has them, and the order is empty."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = None
SAYS = "without any suspension"


class Basket:
    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)


@durable
def handler(event, ctx):
    basket = Basket()
    ctx.step(lambda: basket.put(event["id"]), name="put")
    ctx.wait(60, name="think-it-over")
    return ctx.step(lambda: len(basket.items), name="order")
