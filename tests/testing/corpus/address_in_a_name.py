"""The name of a step is the text of an object, which contains its address in memory."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "process"
SAYS = None


class Warehouse:
    def __init__(self, city):
        self.city = city


@durable
def handler(event, ctx):
    warehouse = Warehouse("oslo")
    return ctx.step(str, event["id"], name=f"reserve in {warehouse}"[:60])
