"""Recipes for Powertools' other utilities: docs/powertools/neighbours.md."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.feature_flags import FeatureFlags
from aws_lambda_powertools.utilities.idempotency import (
    IdempotencyConfig,
    idempotent,
    idempotent_function,
)

from examples.powertools.in_memory import (
    MemoryFlags,
    MemoryParameters,
    MemoryPersistence,
)
from powertools_durable import Completion, DurableContext, current_step, durable

CHARGED: list[str] = []

# -- Idempotency -----------------------------------------------------------------------------------------------


def charge(order_id: str) -> str:
    """Charge the card."""
    CHARGED.append(order_id)
    return f"pay-{order_id}"


# --8<-- [start:idempotent]
# In a deployment: DynamoDBPersistenceLayer(table_name="idempotency")
store = MemoryPersistence()


@durable
@idempotent(persistence_store=store, config=IdempotencyConfig(event_key_jmespath="id"))
def place_order(order: dict[str, str], ctx: DurableContext) -> str:
    payment = ctx.step(charge, order["id"])
    ctx.wait(timedelta(days=1))
    return payment


# --8<-- [end:idempotent]


# --8<-- [start:name]
def start_once(lambda_client: Any, order: dict[str, str]) -> None:
    """Start an execution, unless one of this name exists."""
    lambda_client.invoke(
        FunctionName="orders:live",
        InvocationType="Event",
        DurableExecutionName=f"order-{order['id']}",
        Payload=json.dumps(order),
    )


# --8<-- [end:name]


# --8<-- [start:idempotent_step]
# A store keeps the first configuration that it gets.
charges, config = MemoryPersistence(), IdempotencyConfig()


@idempotent_function(  # type: ignore[untyped-decorator]
    data_keyword_argument="order_id", persistence_store=charges, config=config
)
def charge_once(order_id: str) -> str:
    return charge(order_id)


def charge_in_step(order_id: str) -> str:
    return str(charge_once(order_id=order_id))


@durable
def pay(order_id: str, ctx: DurableContext) -> str:
    config.register_lambda_context(ctx.lambda_context)
    return ctx.step(charge_in_step, order_id)


# --8<-- [end:idempotent_step]


# --8<-- [start:step_key]
def charge_by_key(order_id: str) -> str:
    key = current_step().idempotency_key
    # The payment service recognises the key.
    return f"{charge(order_id)} under {key[:8]}"


# --8<-- [end:step_key]


@durable
def pay_by_key(order_id: str, ctx: DurableContext) -> str:
    """Charge without any store."""
    return ctx.step(charge_by_key, order_id)


# -- Batch -----------------------------------------------------------------------------------------------------


# --8<-- [start:batch]
@durable
def process_queue(event: SQSEvent, ctx: DurableContext) -> dict[str, Any]:
    records = list(event.records)

    def process(child: DurableContext, record: SQSRecord) -> str:
        return child.step(charge, record.json_body["id"])

    done = ctx.map(process, records, completion=Completion.all_completed())
    return {
        "batchItemFailures": [
            {"itemIdentifier": records[item.index].message_id} for item in done.failed
        ]
    }


# --8<-- [end:batch]


# --8<-- [start:processor]
processor = BatchProcessor(event_type=EventType.SQS)


@durable
def process_in_sequence(event: dict[str, Any], ctx: DurableContext) -> dict[str, Any]:
    def process(record: SQSRecord) -> str:
        return ctx.step(charge, record.json_body["id"])

    return dict(process_partial_response(event, process, processor))


# --8<-- [end:processor]

# -- Event Handler ---------------------------------------------------------------------------------------------

# --8<-- [start:http]
app = APIGatewayHttpResolver()


@app.get("/orders/<order_id>")
def order_route(order_id: str) -> dict[str, str]:
    ctx: Any = app.lambda_context  # the DurableContext that was handed to resolve()
    return {"payment": ctx.step(charge, order_id)}


@durable
def http(event: dict[str, Any], ctx: DurableContext) -> Any:
    return app.resolve(event, ctx)  # type: ignore[arg-type]


# --8<-- [end:http]

# -- Parameters, secrets, feature flags ------------------------------------------------------------------------

# --8<-- [start:parameters]
# In a deployment: parameters.SSMProvider()
parameters = MemoryParameters(discount="10", api_key="s3cret")
flags = FeatureFlags(store=MemoryFlags(express={"default": True}))


def discount() -> int:
    return int(str(parameters.get("discount")))


def is_express() -> bool:
    return bool(flags.evaluate(name="express", default=False))


def charge_with_secret(order_id: str) -> str:
    parameters.get("api_key")  # read where it is used, and never returned
    return charge(order_id)


@durable
def price(order: dict[str, int], ctx: DurableContext) -> dict[str, Any]:
    # The same on every replay, even if the configuration has changed.
    percent = ctx.step(discount)
    express = ctx.step(is_express)
    ctx.step(charge_with_secret, str(order["id"]))
    ctx.wait(timedelta(days=1))
    return {"price": order["price"] * (100 - percent) // 100, "express": express}


# --8<-- [end:parameters]
