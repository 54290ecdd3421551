"""Events as models: docs/powertools/parser.md."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.parser.envelopes import (
    EventBridgeEnvelope,
    SqsEnvelope,
)
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from powertools_durable import DurableConfig, DurableContext, durable
from powertools_durable.parser import DurableEnvelope, DurableInvocationEvent


# --8<-- [start:model]
class Order(BaseModel):
    model_config = ConfigDict(strict=True)

    id: int
    due: date  # strict, but "2026-01-02" works: the model reads the JSON text


@dataclass
class Receipt:
    order: int
    due: date


@durable
def place_order(order: Order, ctx: DurableContext) -> Receipt:
    ctx.wait(timedelta(days=1))
    return Receipt(order.id, order.due)


# --8<-- [end:model]


# --8<-- [start:any_type]
@durable
def place_orders(
    orders: Annotated[list[Order], Field(min_length=1)], ctx: DurableContext
) -> dict[int, Receipt]:
    return {order.id: Receipt(order.id, order.due) for order in orders}


# --8<-- [end:any_type]


# --8<-- [start:envelope]
class Ordered(BaseModel):
    id: int
    due: date


@durable(model=Ordered, envelope=EventBridgeEnvelope)
def on_order_event(order: Ordered, ctx: DurableContext) -> int:
    return order.id


@durable(envelope=SqsEnvelope)
def on_orders(orders: list[Order], ctx: DurableContext) -> list[int]:
    return [order.id for order in orders]


# --8<-- [end:envelope]


# --8<-- [start:data_class]
@durable
def on_messages(event: SQSEvent, ctx: DurableContext) -> list[str]:
    return [record.message_id for record in event.records]


# --8<-- [end:data_class]


# --8<-- [start:input]
@durable(model=Order, config=DurableConfig(include_validation_input=True))
def shows_what_was_wrong(order: Order, ctx: DurableContext) -> None: ...


# --8<-- [end:input]


# --8<-- [start:made_in_handler]
class Request(BaseModel):
    # Not `id: UUID = Field(default_factory=uuid4)`, which differs in every replay.
    order: int


@durable
def makes_its_id(request: Request, ctx: DurableContext) -> dict[str, str]:
    return {"id": str(ctx.uuid4()), "accepted": ctx.now().isoformat()}


# --8<-- [end:made_in_handler]


# --8<-- [start:raw]
def read_raw_event(event: dict[str, Any]) -> tuple[str, Any]:
    """Read an event of Lambda, for example one from a log or a test."""
    invocation = parse(event, model=DurableInvocationEvent)
    return invocation.durable_execution_arn, parse(
        event, model=Order, envelope=DurableEnvelope
    )


def read_raw_queue_event(event: dict[str, Any]) -> Any:
    """Read an event whose payload is a batch of messages."""
    return parse(event, model=Order, envelope=DurableEnvelope.of(SqsEnvelope))


# --8<-- [end:raw]
