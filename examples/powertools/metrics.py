"""Powertools' Metrics in durable functions: docs/powertools/metrics.md."""

from __future__ import annotations

from datetime import timedelta

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from powertools_durable import DurableConfig, DurableContext, durable
from powertools_durable.integrations import ReplaySafeProvider

# --8<-- [start:metrics]
metrics = Metrics(namespace="Shop", service="orders")


@metrics.log_metrics(capture_cold_start_metric=True)
@durable(metrics=metrics)
def handler(event: dict[str, str], ctx: DurableContext) -> None:
    # Once for each execution.
    metrics.add_metric(name="OrdersAccepted", unit=MetricUnit.Count, value=1)
    ctx.step(charge, event["id"])
    # After the step: once.
    metrics.add_metric(name="OrdersPaid", unit=MetricUnit.Count, value=1)
    ctx.wait(timedelta(days=1))
    metrics.add_metric(name="OrdersShipped", unit=MetricUnit.Count, value=1)


def charge(order_id: str) -> str:
    # In the step: once for each attempt.
    metrics.add_metric(name="ChargesTried", unit=MetricUnit.Count, value=1)
    return f"pay-{order_id}"


# --8<-- [end:metrics]


# --8<-- [start:branches]
@metrics.log_metrics
@durable(metrics=metrics)
def ships(countries: list[str], ctx: DurableContext) -> None:
    def count(country: str) -> None:
        with single_metric(
            name="Parcels", unit=MetricUnit.Count, value=1, namespace="Shop"
        ) as metric:
            metric.add_dimension(name="country", value=country)

    def ship(child: DurableContext, country: str) -> None:
        # single_metric prints immediately, so call it in a step.
        child.step(count, country)
        child.wait(timedelta(hours=1))

    ctx.map(ship, countries)
    metrics.add_metric(name="Shipments", unit=MetricUnit.Count, value=1)


# --8<-- [end:branches]


# --8<-- [start:engine]
@durable(metrics=metrics, config=DurableConfig(engine_metrics=True))
def watched(event: dict[str, str], ctx: DurableContext) -> None:
    ctx.step(charge, event["id"])
    ctx.wait(timedelta(days=1))


# --8<-- [end:engine]

# --8<-- [start:provider]
audit = Metrics(provider=ReplaySafeProvider(namespace="Audit", service="orders"))


@audit.log_metrics
@durable
def audited(event: dict[str, str], ctx: DurableContext) -> None:
    audit.add_metric(name="Audits", unit=MetricUnit.Count, value=1)
    ctx.wait(timedelta(days=1))


# --8<-- [end:provider]
