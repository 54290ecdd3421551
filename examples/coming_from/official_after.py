from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from powertools_durable import DurableContext, Retry, StepError, current_step, durable

logger = Logger(service="orders")


class BankBusyError(Exception):
    pass


def charge(order: dict[str, Any]) -> str:
    if current_step().attempt < 2:
        raise BankBusyError
    logger.info("charging")
    return f"payment-{order['id']}"


def reserve(child: DurableContext, item: str) -> str:
    return child.step(lambda: f"{item} reserved", name="reserve-item")


def ask(callback_id: str) -> None:
    logger.info("asking for approval")


BUSY = Retry(max_attempts=4, initial_delay=1, retry_on=(BankBusyError,))


@durable
def handler(event: dict[str, Any], ctx: DurableContext) -> dict[str, Any]:
    try:
        payment = ctx.step(charge, event, retry=BUSY)
    except StepError:
        return {"status": "unpaid"}

    reserved = ctx.map(reserve, event["items"], max_concurrency=10)
    reserved.raise_if_failed()

    approved_by = ctx.wait_for_callback(ask, name="approval", timeout=timedelta(days=3))
    ctx.wait(timedelta(hours=1), name="cooling-off")
    return {
        "status": "approved",
        "by": approved_by,
        "payment": payment,
        "items": reserved.results,
    }
