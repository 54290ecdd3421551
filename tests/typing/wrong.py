"""Wrong code: each mistake must be found, and the comments say as what. One that is not found is found as not needed."""

from __future__ import annotations

from pydantic import BaseModel

from powertools_durable import DurableContext, current_step_or_none
from powertools_durable.serdes import CompressingSerDes, ModelSerDes, S3SerDes, SerDes


class Payment(BaseModel):
    id: str


OWN: SerDes[Payment] = ModelSerDes(Payment)


def submit(callback_id: str, amount: int) -> None: ...


def load(order_id: int) -> str:
    return str(order_id)


def callbacks(ctx: DurableContext) -> None:
    ctx.create_callback().result().upper()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    ctx.create_callback(returns=Payment | None).result().id  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    ctx.create_callback(returns=list[Payment]).result().id  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    ctx.create_callback(returns=3)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    ctx.create_callback(timeout="soon")  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    ctx.create_callback(patience=3)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]


def submitted(ctx: DurableContext) -> None:
    ctx.wait_for_callback(submit, 3).upper()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    ctx.wait_for_callback(submit, "3")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    number: int = ctx.wait_for_callback(submit, 3, returns=Payment)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    print(number)


def invoked(ctx: DurableContext) -> None:
    ctx.invoke("f:1", returns=Payment).name  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    number: int = ctx.invoke("f:1", serdes=OWN)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    ctx.invoke(3)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    print(number)


def others(ctx: DurableContext) -> None:
    CompressingSerDes("brotli")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    S3SerDes("values", over="1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    count: int = ctx.step(load, 1, serdes=S3SerDes("values"))  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    print(count)
    ctx.step(load, "1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ctx.step(load, order_id=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    number: int = ctx.step(load, 1)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    current_step_or_none().attempt  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    print(number)
