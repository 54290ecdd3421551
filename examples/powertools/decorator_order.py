"""Which decorator stands where: docs/powertools/decorator-order.md."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.validation import validator

from powertools_durable import DurableContext, durable

INVOCATIONS: list[str] = []
ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}

# --8<-- [start:recommended]
logger = Logger(service="shop")
tracer = Tracer(service="shop")
metrics = Metrics(namespace="Shop", service="shop")


@logger.inject_lambda_context(clear_state=True)  # above: what concerns each invocation
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
@durable(metrics=metrics)
# Below: what concerns the payload and the final result
@validator(inbound_schema=ORDER)
def handler(order: dict[str, str], ctx: DurableContext) -> str:
    logger.info("accepted")
    metrics.add_metric(name="Accepted", unit=MetricUnit.Count, value=1)
    ctx.wait(timedelta(days=1))
    metrics.add_metric(name="Shipped", unit=MetricUnit.Count, value=1)
    return order["id"]


# --8<-- [end:recommended]


# --8<-- [start:middleware]
@lambda_handler_decorator
def watches_invocations(
    handler: Callable[..., Any], event: dict[str, Any], context: Any
) -> Any:
    INVOCATIONS.append("begins")
    answer = handler(event, context)
    # PENDING for each suspension, and the final status at the end.
    INVOCATIONS.append(answer["Status"])
    return answer


@watches_invocations
@durable
def watched(order: dict[str, str], ctx: DurableContext) -> str:
    ctx.wait(timedelta(days=1))
    return order["id"]


# --8<-- [end:middleware]
