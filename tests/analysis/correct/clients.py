"""Handlers that talk to other services in steps, and to their own code outside of them; all of them are right."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from datetime import UTC, date, datetime, timedelta

import boto3
import requests
from aws_lambda_powertools.utilities import parameters

from powertools_durable import DurableContext, StepSemantics, durable
from tests.analysis.correct.shared import policy, rules

s3 = boto3.client("s3", region_name="eu-west-1")
table = boto3.resource("dynamodb", region_name="eu-west-1").Table("orders")
http = requests.Session()
http.headers["user-agent"] = "orders"
_client = None


def lazy_client():
    global _client  # noqa: PLW0603
    if _client is None:
        _client = boto3.client("ses", region_name="eu-west-1")
    return _client


def download(key):
    return s3.get_object(Bucket="media", Key=key)["Body"].read().decode()


def store(item):
    table.put_item(Item={"id": item, "at": datetime.now(UTC).isoformat()})
    return item


def mail(text):
    lazy_client().send_email(Source="a@example.com", Destination={}, Message={"Body": text})


def price(sku):
    return http.get(f"https://example.com/{sku}", timeout=3).json()["price"]


def secret():
    return parameters.get_secret("payments")


@durable
def copies(event: dict, ctx: DurableContext) -> str:
    text = ctx.step(download, event["key"])
    return ctx.step(store, text.strip())


@durable
def mails(event: dict, ctx: DurableContext) -> None:
    ctx.step(mail, event["text"], semantics=StepSemantics.AT_MOST_ONCE)
    ctx.wait(timedelta(days=1), name="day")
    ctx.step(mail, f"again: {event['text']}", name="reminder")


@durable
def prices(skus: list[str], ctx: DurableContext) -> float:
    return sum(ctx.step(price, sku, name=f"price-{sku}") for sku in skus)


@durable
def anonymous(event: dict, ctx: DurableContext) -> int:
    def status():
        with urllib.request.urlopen("https://example.com") as answer:
            return answer.status

    return ctx.step(status)


@durable
def commands(event: dict, ctx: DurableContext) -> str:
    return ctx.step(lambda: subprocess.check_output([sys.executable, "-V"], text=True), name="version")


@durable
def secrets(event: dict, ctx: DurableContext) -> bool:
    token = ctx.step(secret)
    return bool(token)


@durable
def signs_in_a_step(event: dict, ctx: DurableContext) -> str:
    return ctx.step(lambda: s3.generate_presigned_url("get_object", Params={"Key": event["key"]}), name="link")


@durable
def follows_rules(event: dict, ctx: DurableContext) -> str:
    if rules.is_large(event["amount"]) and not policy.Exemptions().covers(event["customer"]):
        ctx.step(mail, "large", name="warn")
    for name in rules.steps_of(event):
        ctx.step(store, name, name=name)
    return rules.describe(event)


@durable
def today_in_a_step(event: dict, ctx: DurableContext) -> str:
    today = ctx.step(lambda: date.today().isoformat(), name="today")  # noqa: DTZ011
    return ctx.step(store, f"report-{today}", name=f"report-{today}")


@durable
def configured(event: dict, ctx: DurableContext) -> str:
    bucket = os.environ["BUCKET"]
    return ctx.step(lambda: s3.list_objects_v2(Bucket=bucket)["Name"], name="list")


def branch(child: DurableContext, key: str) -> str:
    text = child.step(download, key)
    if not text:
        return "empty"
    return child.step(store, text)


@durable
def branches(event: dict, ctx: DurableContext) -> int:
    batch = ctx.map(branch, event["keys"], item_name=lambda key, index: f"{index}-{key}")
    return len(batch.succeeded)


@durable
def known(event: dict, ctx: DurableContext) -> str:
    started = datetime.now(UTC)  # durable: ignore[clock]
    ctx.step(mail, f"started about {started}", name="started")
    return "sent"


class Archive:
    def __init__(self):
        self._client = None

    def load(self, key):
        if self._client is None:
            self._client = boto3.client("s3", region_name="eu-west-1")
        return self._client.get_object(Bucket="archive", Key=key)["Body"].read().decode()

    def length(self, text):
        return len(text)


ARCHIVE = Archive()


@durable
def archived(event: dict, ctx: DurableContext) -> int:
    text = ctx.step(ARCHIVE.load, event["key"], name="load")
    return ctx.step(ARCHIVE.length, text, name="length")
