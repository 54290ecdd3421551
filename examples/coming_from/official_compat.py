from typing import Any

from powertools_durable.compat.aws import (
    DurableContext,
    StepContext,
    StepError,
    durable_execution,
    durable_step,
)
from powertools_durable.compat.aws.config import (
    CompletionConfig,
    Duration,
    MapConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from powertools_durable.compat.aws.retries import (
    RetryStrategyConfig,
    create_retry_strategy,
)


class BankBusyError(Exception):
    pass


@durable_step
def charge(step: StepContext, order: dict[str, Any]) -> str:
    if step.attempt < 2:
        raise BankBusyError
    step.logger.info("charging")
    return f"payment-{order['id']}"


def reserve(context: DurableContext, item: str, index: int, items: list[str]) -> str:
    return context.step(lambda _: f"{item} reserved", name="reserve-item")


def ask(callback_id: str, context: Any) -> None:
    context.logger.info("asking for approval")


BUSY = create_retry_strategy(
    RetryStrategyConfig(
        max_attempts=4,
        initial_delay=Duration.from_seconds(1),
        retryable_error_types=[BankBusyError],
    )
)


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    try:
        payment = context.step(charge(event), config=StepConfig(retry_strategy=BUSY))
    except StepError:
        return {"status": "unpaid"}

    reserved = context.map(
        event["items"],
        reserve,
        name="reserve",
        config=MapConfig(
            max_concurrency=10, completion_config=CompletionConfig.all_successful()
        ),
    )
    reserved.throw_if_error()

    approved_by = context.wait_for_callback(
        ask,
        name="approval",
        config=WaitForCallbackConfig(timeout=Duration.from_days(3)),
    )
    context.wait(Duration.from_hours(1), name="cooling-off")
    return {
        "status": "approved",
        "by": approved_by,
        "payment": payment,
        "items": reserved.get_results(),
    }
