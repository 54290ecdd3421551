"""A handler with everything that ``doctor`` can find in its lines and around it."""

from __future__ import annotations

import functools
import random
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.parser import event_parser
from pydantic import BaseModel, Field

from powertools_durable import DurableContext, durable

if TYPE_CHECKING:
    from decimal import Decimal

logger = Logger()
metrics = Metrics(namespace="Shop", service="ill")


class Order(BaseModel):
    id: str = Field(default_factory=lambda: "42")
    nonce: uuid.UUID = Field(default_factory=uuid4)


class Parcel(BaseModel):
    id: str


class Opaque:
    pass


def price() -> Decimal:
    raise NotImplementedError


def pack() -> Parcel:
    raise NotImplementedError


def ship(child: DurableContext, parcel: int) -> dict[str, Parcel]:
    raise NotImplementedError


@event_parser(model=Order)
@durable
@metrics.log_metrics
def handler(event: Order, ctx: DurableContext) -> str:
    print("begins")  # noqa: T201
    token = uuid4()
    stamp = datetime.now()  # noqa: DTZ005
    lucky = random.random()
    time.sleep(0)
    try:
        ctx.step(price)
    except BaseException:  # noqa: BLE001
        return "swallowed"
    finally:
        ctx.stp(pack)
    ctx.step(pack)
    ctx.step(lambda: uuid4().hex, name="drawn")  # a step may
    ctx.map(ship, [1])
    ctx.map([1], ship)
    ctx.parallel([pack, ship])
    ctx.step(pack, 1)
    for _ in range(2):
        ctx.wait(1)
        ctx.step(lambda: 1)
    ctx.create_callback()  # there is one of its kind
    ctx.run_in_child_context(ship, 1, name="")
    ctx.child_context(lambda child: None)
    ctx.wait_for_callback(lambda callback_id: print(id(callback_id)), name="approval")  # noqa: T201
    ctx.invoke("payments:1", {"token": str(token), "stamp": str(stamp), "lucky": lucky})
    return "done"


def _shaped(prefix: str, event: Order, ctx: DurableContext) -> str:
    for _ in event:
        ctx.wait(1)
    return f"{prefix} {datetime.now()}"  # noqa: DTZ005


class Called:
    def __call__(self, event: Order, ctx: DurableContext) -> None:
        ctx.stp(pack)


shaped = durable(functools.partial(_shaped, "p"))
called = durable(Called())


@durable
def well(event: Order, ctx: DurableContext) -> Parcel:
    try:
        return ctx.step(pack)
    except BaseException:
        ctx.logger.info("goes")
        raise
