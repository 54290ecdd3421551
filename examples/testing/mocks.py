"""Functions that take a context, and their unit tests, as docs/testing/mocks.md quotes them."""

# --8<-- [start:top]
from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel

from powertools_durable import (
    AsyncDurableContext,
    DurableContext,
    StepError,
    durable,
)
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing import MockDurableContext


class Payment(BaseModel):
    id: str
    cents: int


def charge(order_id: str) -> Payment:
    raise NotImplementedError("the real one asks a payment service")


def notify(order_id: str, words: str) -> str:
    return f"{order_id}: {words}"


# --8<-- [end:top]


# --8<-- [start:function]
def pay(ctx: DurableContext, order_id: str) -> str:
    try:
        payment = ctx.step(charge, order_id)
    except StepError as error:
        return ctx.step(notify, order_id, f"not paid, {error.error_type}")
    return payment.id


# --8<-- [end:function]


# --8<-- [start:result]
def test_a_payment_has_an_id() -> None:
    run = (
        MockDurableContext()
        .with_step_result("charge", Payment(id="p-1", cents=4200))
        .build()
    )
    assert pay(run.ctx, "order-42") == "p-1"
    run.assert_no_checkpoints()


# --8<-- [end:result]


# --8<-- [start:error]
def test_who_can_not_pay_is_told() -> None:
    run = MockDurableContext().with_step_error("charge", "CardDeclined").build()
    assert pay(run.ctx, "order-42") == "order-42: not paid, CardDeclined"
    run.assert_operations(["step:notify"])


# --8<-- [end:error]


async def charge_card(order_id: str) -> str:
    raise NotImplementedError("the real one asks a payment service")


async def tell(order_id: str, words: str) -> str:
    return f"{order_id}: {words}"


# --8<-- [start:async_function]
async def pay_by_card(ctx: AsyncDurableContext, order_id: str) -> str:
    try:
        return await ctx.step(charge_card, order_id)
    except StepError as error:
        return await ctx.step(tell, order_id, f"not paid, {error.error_type}")


def test_a_declined_card_is_not_charged() -> None:
    mock = MockDurableContext().with_step_error("charge_card", "CardDeclined")
    run = mock.build_async()
    assert run.call(pay_by_card, "order-42") == "order-42: not paid, CardDeclined"
    run.assert_operations(["step:tell"])


# --8<-- [end:async_function]


# --8<-- [start:scopes]
def ship(ctx: DurableContext, sku: str) -> str:
    label = ctx.step(lambda: f"label of {sku}", name="print-label")
    ctx.wait(timedelta(hours=4), name="pick-up")
    return label


def ship_all(ctx: DurableContext, skus: list[str]) -> list[str]:
    return ctx.map(ship, skus, name="ship-all").results


def test_each_parcel_has_its_label() -> None:
    parcel = (
        MockDurableContext().with_step_result("print-label", "L-1").with_wait("pick-up")
    )
    other = (
        MockDurableContext().with_step_result("print-label", "L-2").with_wait("pick-up")
    )
    run = MockDurableContext().with_map("ship-all", inside=[parcel, other]).build()
    assert ship_all(run.ctx, ["cup", "pot"]) == ["L-1", "L-2"]


def test_labels_are_returned_in_order() -> None:
    run = MockDurableContext().with_map("ship-all", ["L-1", "L-2"]).build()
    assert ship_all(run.ctx, ["cup", "pot"]) == ["L-1", "L-2"]


# --8<-- [end:scopes]


# --8<-- [start:suspension]
def test_a_parcel_waits_to_be_picked_up() -> None:
    run = MockDurableContext().build()
    with pytest.raises(SuspendExecution):
        ship(run.ctx, "cup")
    run.assert_operations(["step:print-label", "wait:pick-up"])


# --8<-- [end:suspension]


# --8<-- [start:handler]
@durable
def handler(order_id: str, ctx: DurableContext) -> str:
    payment_id = pay(ctx, order_id)
    approved = ctx.wait_for_callback(
        notify, "please approve", name="approval", returns=bool
    )
    return f"{payment_id}, {'approved' if approved else 'rejected'}"


def test_an_approved_order() -> None:
    mock = MockDurableContext().with_step_result("charge", {"id": "p-1", "cents": 4200})
    run = mock.with_wait_for_callback("approval", result=True).build()
    assert handler.__wrapped__("order-42", run.ctx) == "p-1, approved"


# --8<-- [end:handler]
