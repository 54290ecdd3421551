"""Plugins of your own: docs/powertools/plugins.md."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from time import perf_counter

from aws_lambda_powertools import Logger

from powertools_durable import DurableContext, Retry, durable
from powertools_durable.plugins import (
    Around,
    AttemptInfo,
    InvocationEnd,
    InvocationInfo,
    Listening,
    OperationEnd,
    Plugin,
    PluginFactory,
)

logger = Logger(service="orders")


# --8<-- [start:around]
class SlowSteps(Around):
    """Warns about slow steps."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def attempt(self, info: AttemptInfo) -> Listening:
        began = perf_counter()
        ending = yield
        if (took := perf_counter() - began) > self.seconds:
            logger.warning(
                "slow step",
                step=info.name,
                attempt=info.attempt,
                seconds=took,
                outcome=ending.outcome,
            )


# --8<-- [end:around]


# --8<-- [start:hooks]
class Tally(Plugin):
    """Counts how operations end. There is a new instance for each invocation."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()

    def on_operation_end(self, info: OperationEnd) -> None:
        self.ends[f"{info.type} {info.outcome}"] += 1

    def on_invocation_end(self, info: InvocationEnd) -> None:
        logger.info(
            "invocation over",
            outcome=info.outcome,
            checkpoints=info.calls.checkpoints,
            ends=dict(self.ends),
        )


# --8<-- [end:hooks]


def charge(order_id: str) -> str:
    return f"pay-{order_id}"


# --8<-- [start:handler]
@durable(plugins=[SlowSteps(seconds=5), Tally])
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    payment = ctx.step(charge, event["id"], retry=Retry(max_attempts=3))
    ctx.wait(timedelta(days=1))
    return payment


# --8<-- [end:handler]


# --8<-- [start:factory]
class OfOrders(PluginFactory):
    """Times the steps of orders, and of nothing else."""

    def create_plugin(self, info: InvocationInfo) -> Plugin | None:
        if info.execution_name.startswith("order-"):
            return SlowSteps(seconds=5)
        return None


# --8<-- [end:factory]
