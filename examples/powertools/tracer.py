"""An order in X-Ray: docs/powertools/tracer.md.

See its traces without an account::

    powertools-durable run examples/powertools/tracer.py:handler --event '{"id": "42"}' --skip-time --trace
"""

from __future__ import annotations

from datetime import timedelta

from aws_lambda_powertools import Tracer

from powertools_durable import DurableConfig, DurableContext, Retry, durable

# --8<-- [start:handler]
tracer = Tracer(service="orders")


@tracer.capture_method
def charge(order_id: str) -> str:
    tracer.put_annotation("OrderId", order_id)  # on charge's own subsegment
    return f"pay-{order_id}"


@tracer.capture_lambda_handler(capture_response=False)
@durable(tracer=tracer)
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    payment = ctx.step(charge, event["id"], retry=Retry(max_attempts=3))
    ctx.wait(timedelta(days=1), name="cooling-off")
    ctx.parallel({"parcel": ship, "letter": write}, name="deliver")
    return payment


# --8<-- [end:handler]


def ship(child: DurableContext) -> None:
    child.step(lambda: None, name="hand-over")


def write(child: DurableContext) -> None:
    child.wait(timedelta(hours=1), name="business-hours")
    child.step(lambda: None, name="send")


# --8<-- [start:frugal]
@durable(tracer=tracer, config=DurableConfig(trace_operations="summary"))
def frugal(event: dict[str, str], ctx: DurableContext) -> str:
    with tracer.provider.in_subsegment("## approval") as subsegment:
        subsegment.put_annotation("OrderId", event["id"])
        # Suspends. That isn't a fault of ## approval.
        ctx.wait(timedelta(days=1), name="cooling-off")
    return "approved"


# --8<-- [end:frugal]
