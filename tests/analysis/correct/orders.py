"""Handlers of a shop that are right: what they read, keep and send is the same on each replay."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from uuid import uuid4

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from pydantic import BaseModel, Field

from powertools_durable import DurableContext, Retry, StepError, current_step, durable

logger = Logger(service="orders")
metrics = Metrics(namespace="shop", service="orders")
tracer = Tracer(service="orders", auto_patch=False, disabled=True)
TABLE = os.environ.get("ORDERS_TABLE", "orders")
LIMIT = int(os.getenv("APPROVAL_LIMIT", "1000"))
STARTED = time.time()
dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
_sessions: dict[str, object] = {}


class Line(BaseModel):
    sku: str
    price: Decimal
    count: int = 1


class Order(BaseModel):
    id: str
    customer: str
    lines: list[Line] = Field(default_factory=list)
    tags: set[str] = Field(default_factory=set)


@dataclass
class Parcel:
    sku: str
    label: str = ""
    notes: list[str] = field(default_factory=list)


def session(region):
    """Create a client at the first use; each process has its own."""
    if region not in _sessions:
        _sessions[region] = boto3.client("sqs", region_name=region)
    return _sessions[region]


def save(order):
    dynamodb.put_item(TableName=TABLE, Item={"id": {"S": order.id}, "at": {"S": datetime.now(UTC).isoformat()}})
    return order.id


def charge(order):
    return f"payment-{uuid4()}-of-{order.id}"


def notify(order_id, text):
    session("eu-west-1").send_message(QueueUrl="orders", MessageBody=f"{order_id}: {text}")


@lru_cache
def vat_rate(country):
    return Decimal("0.25") if country == "no" else Decimal("0.19")


def total(order):
    return sum(line.price * line.count for line in order.lines)


@durable(tracer=tracer, metrics=metrics)
def place_order(order: Order, ctx: DurableContext) -> str:
    logger.info("placing", order=order.id, uptime=time.time() - STARTED)
    payment = ctx.step(charge, order)
    ctx.step(save, order)
    metrics.add_metric(name="orders", unit="Count", value=1)
    return payment


@durable
def approve_large_orders(order: Order, ctx: DurableContext) -> str:
    if total(order) * (1 + vat_rate("no")) > LIMIT:
        decision = ctx.wait_for_callback(
            lambda callback_id: notify(order.id, callback_id), name="approval", timeout=timedelta(days=2), returns=str
        )
        if decision != "yes":
            return "declined"
    return ctx.step(charge, order)


@durable
def measure(order: Order, ctx: DurableContext) -> str:
    begin = time.perf_counter()
    payment = ctx.step(charge, order)
    elapsed = time.perf_counter() - begin
    logger.info("charged", seconds=elapsed)
    if elapsed > 5:
        logger.warning("slow", seconds=round(elapsed, 2))
    return payment


@durable
def pack_each(order: Order, ctx: DurableContext) -> list[str]:
    labels = []
    for number, line in enumerate(order.lines, start=1):
        parcel = Parcel(line.sku, notes=[f"{number} of {len(order.lines)}"])
        labels.append(ctx.step(lambda parcel=parcel: f"label-{parcel.sku}", name=f"pack-{number}"))
    return labels


@durable
def tag_in_order(order: Order, ctx: DurableContext) -> int:
    for tag in sorted(order.tags):
        ctx.step(notify, order.id, tag, name=f"tag-{tag}")
    return len(order.tags)


@durable
def skip_known_tags(order: Order, ctx: DurableContext) -> list[str]:
    known = {"new", "sale"}
    unknown = order.tags - known
    if "vip" in order.tags and not unknown:
        ctx.step(notify, order.id, "vip", name="vip")
    weights = sum(len(tag) for tag in order.tags)
    if weights > 20:
        ctx.step(notify, order.id, "many tags", name="many")
    return sorted(unknown)


def reserve(order):
    """Take the goods; returns the order with the shelf, and the caller uses that."""
    order.lines.append(Line(sku="shelf-1", price=Decimal(0)))
    return order


@durable
def reserve_first(order: Order, ctx: DurableContext) -> int:
    order = ctx.step(reserve, order)
    return len(order.lines)


@durable
def refund_or_retry(order: Order, ctx: DurableContext) -> str:
    try:
        return ctx.step(charge, order, retry=Retry.none())
    except StepError as error:
        logger.exception("refused")
        ctx.step(notify, order.id, f"refused: {error}", name="tell")
        return "refused"
    finally:
        logger.info("done", at=datetime.now(UTC).isoformat())


def pay(amount, order_id):
    return f"{order_id}-{amount}-{current_step().idempotency_key}"


@durable
def pay_in_parts(order: Order, ctx: DurableContext) -> list[str]:
    parts = [Decimal(10), Decimal(20)]
    return [ctx.step(partial(pay, part), order.id, name=f"part-{index}") for index, part in enumerate(parts)]


@durable
def remind_at_nine(order: Order, ctx: DurableContext) -> str:
    tomorrow = ctx.started_at + timedelta(days=1)
    ctx.wait_until(tomorrow.replace(hour=9, minute=0), name="nine")
    now = ctx.now()
    if now.weekday() >= 5:
        ctx.wait(timedelta(days=2), name="weekend")
    return ctx.step(charge, order)


@durable
def number_of_its_own(order: Order, ctx: DurableContext) -> str:
    number = ctx.uuid4()
    lot = ctx.random.randint(1, 6)
    ctx.step(notify, order.id, f"{number}-{lot}", name=f"lot-{lot}")
    return str(number)


class Shop:
    """Methods as steps, which leave the object as it is."""

    def __init__(self, currency):
        self.currency = currency
        self.prices = {"cup": Decimal(3), "pot": Decimal(9)}

    def price(self, sku):
        return self.prices[sku]

    def describe(self, sku):
        return f"{sku}: {self.price(sku)} {self.currency}"


shop = Shop("EUR")


@durable
def prices(skus: list[str], ctx: DurableContext) -> list[str]:
    local = Shop("NOK")
    return [ctx.step(shop.describe, sku, name=sku) for sku in skus] + [
        ctx.step(local.describe, sku, name=f"local-{sku}") for sku in skus
    ]


@durable
def retries_inside(order: Order, ctx: DurableContext) -> str:
    def insist():
        errors = []
        for _ in range(3):
            try:
                return charge(order)
            except ConnectionError as error:
                errors.append(str(error))
                time.sleep(0.1)
        raise RuntimeError("; ".join(errors))

    return ctx.step(insist)
