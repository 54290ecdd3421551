"""Right code, as users write it: what type checkers say of it; each must say nothing else."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_type

from pydantic import BaseModel, Field, TypeAdapter

import powertools_durable
from powertools_durable import (
    BatchResult,
    Callback,
    DurableContext,
    NonDeterminismError,
    SerDesError,
    SuspendExecution,
    ValidationError,
    current_step,
    current_step_or_none,
    durable,
)
from powertools_durable.scope import StepInfo
from powertools_durable.serdes import CompressingSerDes, ModelSerDes, PlainJson, S3SerDes, SerDes


class Payment(BaseModel):
    id: str


class Refusal(BaseModel):
    reason: str


@dataclass
class Seat:
    row: int


Answer = Payment | Refusal
Positive = Annotated[int, Field(gt=0)]
ONE_OF = TypeAdapter(Payment | Refusal)
MANY: TypeAdapter[list[Payment] | None] = TypeAdapter(list[Payment] | None)
OWN: SerDes[Payment] = ModelSerDes(Payment)


def submit(callback_id: str, amount: int = 0) -> None: ...


def load(order_id: int, region: str) -> Payment:
    return Payment(id=f"{order_id}-{region}")


def in_child(ctx: DurableContext, seat: int) -> Seat:
    return ctx.step(Seat, seat)


def callbacks(ctx: DurableContext) -> None:
    assert_type(ctx.create_callback(), Callback[str | None])
    assert_type(ctx.create_callback(name="a", timeout=3).result(), str | None)
    assert_type(ctx.create_callback(returns=Payment), Callback[Payment])
    assert_type(ctx.create_callback(returns=Payment | None), Callback[Payment | None])
    assert_type(ctx.create_callback(name="a", returns=Payment | Refusal, timeout=3), Callback[Payment | Refusal])
    assert_type(ctx.create_callback(returns=Answer).result(), Payment | Refusal)
    assert_type(ctx.create_callback(returns=list[Payment]).result(), list[Payment])
    assert_type(ctx.create_callback(returns=dict[str, list[Payment | None]]).result(), dict[str, list[Payment | None]])
    assert_type(ctx.create_callback(returns=Positive).result(), int)
    assert_type(ctx.create_callback(returns=Annotated[Payment | Refusal, Field()]).result(), Payment | Refusal)
    assert_type(ctx.create_callback(returns=Literal["yes", "no"]).result(), Literal["yes", "no"])
    assert_type(ctx.create_callback(returns=ONE_OF).result(), Payment | Refusal)
    assert_type(ctx.create_callback(returns=MANY).result(), list[Payment] | None)
    assert_type(ctx.create_callback(serdes=OWN).result(), Payment)
    seat = ctx.create_callback(name="seat", returns=Seat, heartbeat_timeout=30).result()
    assert_type(seat.row, int)


def submitted(ctx: DurableContext) -> None:
    assert_type(ctx.wait_for_callback(submit), str | None)
    assert_type(ctx.wait_for_callback(submit, 3, name="a", timeout=60), str | None)
    assert_type(ctx.wait_for_callback(submit, 3, returns=Payment | None), Payment | None)
    assert_type(ctx.wait_for_callback(lambda _: None, returns=list[Seat]), list[Seat])
    assert_type(ctx.wait_for_callback(submit, returns=ONE_OF), Payment | Refusal)
    assert_type(ctx.wait_for_callback(submit, returns=Positive), int)
    assert_type(ctx.wait_for_callback(submit, serdes=OWN), Payment)


def invoked(ctx: DurableContext) -> None:
    assert_type(ctx.invoke("f:1"), Any)
    anything = ctx.invoke("f:1", {"a": 1}, name="f")
    print(anything["a"])
    assert_type(ctx.invoke("f:1", {"a": 1}, returns=Payment), Payment)
    assert_type(ctx.invoke("f:1", Payment(id="1"), returns=Payment | None, tenant_id="t"), Payment | None)
    assert_type(ctx.invoke("f:1", returns=dict[str, Decimal]), dict[str, Decimal])
    assert_type(ctx.invoke("f:1", returns=MANY), list[Payment] | None)
    assert_type(ctx.invoke("f:1", serdes=OWN, payload_serdes=PlainJson()), Payment)


def others(ctx: DurableContext) -> None:
    assert_type(ctx.step(load, 1, "eu"), Payment)
    assert_type(ctx.step(functools.partial(load, 1, region="eu")), Payment)
    assert_type(ctx.step(load, 1, "eu", returns=Payment | None), Payment)
    assert_type(ctx.step(lambda: {"a": 1}, name="a", returns=dict[str, int]), dict[str, int])
    assert_type(ctx.run_in_child_context(in_child, 3), Seat)
    assert_type(ctx.run_in_child_context(in_child, 3, returns=Seat | None), Seat)
    assert_type(ctx.map(in_child, [1, 2], returns=Seat), BatchResult[Seat])
    assert_type(ctx.parallel([lambda child: in_child(child, 1)], returns=Seat | None), BatchResult[Seat])


def wrapped(ctx: DurableContext) -> None:
    chain = S3SerDes("values", over=10, prefix="orders/", inner=CompressingSerDes("zstd", level=3))
    assert_type(ctx.step(load, 1, "eu", serdes=chain), Payment)
    assert_type(ctx.run_in_child_context(in_child, 3, serdes=chain), Seat)
    assert_type(ctx.map(in_child, [1, 2], item_serdes=chain), BatchResult[Seat])


@durable(serdes=S3SerDes("values"), result_serdes=CompressingSerDes())
def compressed(event: Payment, ctx: DurableContext) -> Payment:
    return ctx.step(load, 1, "eu")


def asked() -> str:
    assert_type(current_step(), StepInfo)
    assert_type(current_step_or_none(), StepInfo | None)
    return current_step().idempotency_key


@durable
def handler(event: Payment, ctx: DurableContext) -> Answer | None:
    try:
        return ctx.create_callback(name="payment", returns=Answer | None).result()
    except (ValidationError, NonDeterminismError, SerDesError):
        print(powertools_durable.__version__.split("."))
        raise
    except SuspendExecution:
        raise
