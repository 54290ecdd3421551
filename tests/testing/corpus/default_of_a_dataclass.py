"""A dataclass that the handler creates has a default that is random."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from uuid import uuid4

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "in place of"


@dataclass
class Parcel:
    sku: str
    id: str = field(default_factory=uuid4)


def save(parcel):
    return str(parcel["id"])


@durable
def handler(event, ctx):
    parcel = Parcel(event["id"])
    ctx.step(save, asdict(parcel), name="save")
    return ctx.step(save, asdict(parcel), name="announce")
