from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import DurableContext, Retry, StepError, durable


class Order(BaseModel):
    id: str
    items: list[str]


class Decision(BaseModel):
    approved: bool


class BankBusyError(Exception):
    pass


class RefusedError(Exception):
    pass


def charge(order: Order) -> str:
    return f"payment-{order.id}"


def reserve_item(item: str) -> str:
    return f"{item} reserved"


def reserve(child: DurableContext, item: str) -> str:
    return child.step(reserve_item, item, name="ReserveItem")


def ask(callback_id: str, order: Order) -> None:
    print(f"somebody must approve order {order.id}")


BUSY = Retry(max_attempts=5, initial_delay=2, backoff_rate=2, retry_on=(BankBusyError,))


@durable
def handler(order: Order, ctx: DurableContext) -> dict[str, str]:
    try:
        payment = ctx.step(charge, order, name="Charge", retry=BUSY, timeout=30)
    except StepError:
        return {"status": "unpaid"}

    reserved = ctx.map(reserve, order.items, name="Reserve", max_concurrency=10)
    reserved.raise_if_failed()

    decision = ctx.wait_for_callback(
        ask, order, name="Approve", timeout=timedelta(days=3), returns=Decision
    )
    if not decision.approved:
        raise RefusedError("the order was not approved")

    ctx.wait(timedelta(hours=1), name="CoolingOff")
    parcel = ctx.invoke("ship:live", order, name="Ship", returns=str)
    return {"status": "shipped", "payment": payment, "parcel": parcel}
