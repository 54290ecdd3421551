"""Powertools' Logger in durable functions: docs/powertools/logger.md."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from powertools_durable import DurableConfig, DurableContext, durable
from powertools_durable.integrations import correlation_paths

logger = Logger(service="orders", level="INFO")


# --8<-- [start:step]
def charge(order_id: str) -> str:
    """Charge the card."""
    logger.info("charging")  # once for each attempt, with operationName and attempt
    return f"pay-{order_id}"


# --8<-- [end:step]


# --8<-- [start:logger]
@logger.inject_lambda_context(
    clear_state=True, correlation_id_path=correlation_paths.EVENT_BRIDGE
)
@durable
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    logger.info("order accepted")  # once, although this line runs in each invocation
    payment = ctx.step(charge, event["id"])
    ctx.wait(timedelta(days=1))
    logger.info("order shipped", payment=payment)
    return payment


# --8<-- [end:logger]


# --8<-- [start:input]
@logger.inject_lambda_context(clear_state=True)
@durable
@logger.inject_lambda_context(log_event=True)
def logs_its_input(event: dict[str, str], ctx: DurableContext) -> None:
    """Log the input once. Above @durable, the event would hold every payload."""


# --8<-- [end:input]


# --8<-- [start:keys]
@durable
def ships(parcels: list[str], ctx: DurableContext) -> None:
    def ship(child: DurableContext, parcel: str) -> None:
        # For this branch only: append_keys sets keys for all threads.
        logger.thread_safe_append_keys(parcel=parcel)
        logger.info("picked")
        child.wait(timedelta(hours=1))
        logger.info("shipped")

    ctx.map(ship, parcels)


# --8<-- [end:keys]


# --8<-- [start:threads]
@durable
def asks_three_shops(book: str, ctx: DurableContext) -> dict[str, int]:
    def price(shop: str) -> int:
        logger.info("asking", shop=shop)
        return len(shop)

    def ask() -> dict[str, int]:
        shops = ["ada", "grace", "linus"]
        with ThreadPoolExecutor() as pool:
            return dict(zip(shops, pool.map(ctx.bind(price), shops), strict=True))

    return ctx.step(ask)


# --8<-- [end:threads]


# --8<-- [start:ported]
def ported(event: Mapping[str, Any], ctx: DurableContext) -> None:
    ctx.logger.warning("ported from the official SDK", order_id=event["id"])


# --8<-- [end:ported]

# --8<-- [start:replays]
every_line = durable(config=DurableConfig(log_replays=True))
# --8<-- [end:replays]
