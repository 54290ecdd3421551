"""Powertools' Logger and Metrics beside @durable: docs/powertools/."""

from __future__ import annotations

from datetime import timedelta

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from powertools_durable import DurableContext, durable
from powertools_durable.integrations import correlation_paths


def charge(order_id: str) -> str:
    """Charge the card."""
    # --8<-- [start:step]
    logger.info("charging")  # once for each attempt, with operationName and attempt
    # --8<-- [end:step]
    return f"pay-{order_id}"


# --8<-- [start:logger]
logger = Logger(service="orders")
metrics = Metrics(namespace="Shop", service="orders")


@logger.inject_lambda_context(clear_state=True, correlation_id_path=correlation_paths.EVENT_BRIDGE)
@metrics.log_metrics(capture_cold_start_metric=True)
@durable(metrics=metrics)
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    logger.info("order accepted")  # once, though this line runs in each invocation
    metrics.add_metric(name="OrdersAccepted", unit=MetricUnit.Count, value=1)  # and so is this
    payment = ctx.step(charge, event["id"])
    ctx.wait(timedelta(days=1))
    metrics.add_metric(name="OrdersShipped", unit=MetricUnit.Count, value=1)
    logger.info("order shipped", payment=payment)
    return payment


# --8<-- [end:logger]


# --8<-- [start:input]
@logger.inject_lambda_context(clear_state=True)
@durable
@logger.inject_lambda_context(log_event=True)
def logs_its_input(event: dict[str, str], ctx: DurableContext) -> None:
    """Log the customer's input once; above @durable the event would hold every payload."""


# --8<-- [end:input]
