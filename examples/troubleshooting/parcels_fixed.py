import os

from powertools_durable import DurableContext, durable


def reserve(order_id: str) -> str:
    return f"{order_id} reserved"


def book_courier(order_id: str) -> str:
    return f"courier for {order_id}"


def ship(order_id: str) -> str:
    return f"{order_id} shipped"


def is_express() -> bool:
    return bool(os.environ.get("EXPRESS"))


@durable
def handler(order_id: str, ctx: DurableContext) -> str:
    ctx.step(reserve, order_id)
    if ctx.step(is_express):
        ctx.step(book_courier, order_id)
    ctx.create_callback(name="packed").result()
    return ctx.step(ship, order_id)
