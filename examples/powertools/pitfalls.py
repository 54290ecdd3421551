"""What goes wrong, and how it goes right: docs/powertools/pitfalls.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from powertools_durable import (
    DurableContext,
    Retry,
    StepError,
    SuspendExecution,
    durable,
)

logger = Logger(service="pitfalls")
metrics = Metrics(namespace="Shop", service="pitfalls")
CLOSED: list[str] = []
ATTEMPTS: list[str] = []


# --8<-- [start:time]
def is_weekend() -> bool:
    # `datetime.now(UTC).weekday() >= 5`, or a feature flag: anything that can change.
    return False


@durable
def branches_on_what_a_step_found(event: object, ctx: DurableContext) -> str:
    if ctx.step(is_weekend):  # not: if is_weekend():
        ctx.wait(timedelta(days=2))
    return f"at {ctx.now():%H:%M}"  # not: datetime.now()


# --8<-- [end:time]


# --8<-- [start:cleanup]
def close(order_id: str) -> None:
    CLOSED.append(order_id)


@durable
def cleans_up_once(order_id: str, ctx: DurableContext) -> None:
    ctx.defer(close, order_id)  # not: finally, which runs at each suspension
    ctx.wait(timedelta(days=1))


# --8<-- [end:cleanup]


# --8<-- [start:catch]
def charge() -> None:
    raise ConnectionError


@durable
def catches_errors(event: object, ctx: DurableContext) -> str:
    try:
        ctx.step(charge, retry=Retry.none())
        ctx.wait(timedelta(days=1))
    except StepError as error:  # not: except BaseException, which catches a suspension
        return f"failed with {error.error_type}"
    return "charged"


# --8<-- [end:catch]


# --8<-- [start:suspension]
@durable
def logs_what_fails(event: object, ctx: DurableContext) -> None:
    try:
        ctx.wait(timedelta(days=1))
        ctx.step(charge, retry=Retry.none())
    except SuspendExecution:
        raise
    except BaseException:
        logger.exception("not charged")
        raise


# --8<-- [end:suspension]


# --8<-- [start:threads]
def look_up(sku: str) -> str:
    logger.info("looked up", sku=sku)  # once, with its execution
    return sku.upper()


@durable
def uses_threads(skus: list[str], ctx: DurableContext) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(ctx.bind(look_up), skus))
    ctx.wait(timedelta(days=1))
    return found


# --8<-- [end:threads]


# --8<-- [start:keys]
@logger.inject_lambda_context(clear_state=True)
@durable
def appends_keys(order_id: str, ctx: DurableContext) -> None:
    # Again on each replay, before the first live line.
    logger.append_keys(order_id=order_id)
    ctx.wait(timedelta(days=1))
    logger.info("shipped")


# --8<-- [end:keys]


# --8<-- [start:metric]
def ship() -> str:
    ATTEMPTS.append("ship")
    # Once for each attempt.
    metrics.add_metric(name="ShippingTried", unit=MetricUnit.Count, value=1)
    if len(ATTEMPTS) < 3:
        raise ConnectionError
    return "shipped"


@metrics.log_metrics
@durable(metrics=metrics)
def counts(event: object, ctx: DurableContext) -> str:
    done = ctx.step(ship, retry=Retry(max_attempts=3))
    metrics.add_metric(name="Shipped", unit=MetricUnit.Count, value=1)  # once
    return done


# --8<-- [end:metric]
