"""Steps append their results to a list in memory. After a crash, it holds only those of the last invocation."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"skus": ["cup", "pot"]}
DOCTOR = "step-write"
SAYS = "the execution's result"


@durable
def handler(event, ctx):
    parcels = []
    for sku in event["skus"]:
        ctx.step(lambda sku=sku: parcels.append(f"parcel-{sku}"), name=f"pack-{sku}")
    return parcels
