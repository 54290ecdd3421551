"""A map over items from a set, whose order is different in another process."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"skus": ["cup", "pot", "cup", "lid"]}
DOCTOR = "set-order"
SAYS = "depends on the order of a set"


def label(child, sku):
    return child.step(str, sku, name="label")


@durable
def handler(event, ctx):
    return ctx.map(label, list(set(event["skus"])), name="labels").results
