"""Suite "callback"."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from handlers.common import same
from powertools_durable import CallbackError, CallbackTimeoutError, DurableContext, durable
from powertools_durable.serdes import SerDesContext


@dataclass
class Message:
    """What requirement 4-15 has sent, its timestamp in seconds since 1970."""

    id: str
    message: str
    timestamp: int


class MessageSerDes:
    """Reads what the outside sends; nothing is ever written by it."""

    def serialize(self, value: Message, context: SerDesContext) -> str:
        return json.dumps(asdict(value))

    def deserialize(self, text: str, context: SerDesContext) -> Message:
        sent = json.loads(text)
        return Message(**sent | {"timestamp": int(datetime.fromisoformat(sent["timestamp"]).timestamp())})


@durable
def basic(name: str, ctx: DurableContext) -> str:
    return ctx.create_callback(name=name, returns=str).result()


@durable
def named(event: Any, ctx: DurableContext) -> str:
    return ctx.create_callback(name="approval", returns=str).result()


@durable
def times_out(name: str, ctx: DurableContext) -> str:
    return ctx.create_callback(name=name, timeout=5, returns=str).result()


@durable
def heartbeat_stops(name: str, ctx: DurableContext) -> str:
    return ctx.create_callback(name=name, heartbeat_timeout=5, returns=str).result()


@durable
def heartbeat_goes_on(name: str, ctx: DurableContext) -> str:
    return ctx.create_callback(name=name, heartbeat_timeout=10, returns=str).result()


@durable
def step_before_result(name: str, ctx: DurableContext) -> str:
    callback = ctx.create_callback(name=name, timeout=5, returns=str)
    ctx.step(same, "between")
    return callback.result()


@durable
def wait_before_result(name: str, ctx: DurableContext) -> str:
    callback = ctx.create_callback(name=name, returns=str)
    ctx.wait(5)
    return callback.result()


@durable
def times_out_in_wait(name: str, ctx: DurableContext) -> str:
    callback = ctx.create_callback(name=name, timeout=3, returns=str)
    ctx.wait(6)
    return callback.result()


@durable
def failure_caught(name: str, ctx: DurableContext) -> str:
    try:
        message = ctx.create_callback(name=name, returns=str).result()
    except CallbackError as error:
        message = f"failed: {error}"
    ctx.wait(2)
    return message


@durable
def timeout_caught(name: str, ctx: DurableContext) -> str:
    try:
        message = ctx.create_callback(name=name, timeout=3, returns=str).result()
    except CallbackTimeoutError as error:
        message = f"failed: {error}"
    ctx.wait(2)
    return message


@durable
def custom_serdes(name: str, ctx: DurableContext) -> dict[str, Message]:
    return {"received": ctx.create_callback(name=name, serdes=MessageSerDes()).result()}


@durable
def one_after_the_other(names: list[str], ctx: DurableContext) -> list[str]:
    return [ctx.create_callback(name=name, returns=str).result() for name in names]


@durable
def both_then_results(names: list[str], ctx: DurableContext) -> list[str]:
    callbacks = [ctx.create_callback(name=name, returns=str) for name in names]
    return [callback.result() for callback in callbacks]
