"""The official SDK's handler of `test_moving.py`."""

from __future__ import annotations

from aws_durable_execution_sdk_python import StepError, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, MapConfig, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitStrategyConfig, create_wait_strategy
from moved_business import ITEMS, charge, label, receipt, reserve

SECOND = Duration.from_seconds(1)


@durable_execution
def handler(event, context):
    payment = context.step(lambda _: charge(event), name="charge")

    def parcel(branch, item, _index, _items):
        named = branch.step(lambda _: label(item), name="label")
        told = branch.wait_for_callback(lambda _id, _: None, name="carrier") if item == "pot" else None
        return named, told

    parcels = context.map(ITEMS, parcel, name="parcels", config=MapConfig(max_concurrency=2)).get_results()

    def rest(child):
        child.wait(SECOND, name="pause")
        try:
            child.step(lambda _: reserve("jug"), name="reserve", config=StepConfig(retry_strategy=RetryPresets.none()))
        except StepError as error:
            return str(error)

    excuse = context.run_in_child_context(rest, name="rest")
    strategy = WaitStrategyConfig(
        should_continue_polling=lambda state: state < 2, initial_delay=SECOND, jitter_strategy=JitterStrategy.NONE
    )
    polled = context.wait_for_condition(
        lambda state, _: state + 1,
        WaitForConditionConfig(wait_strategy=create_wait_strategy(strategy), initial_state=0),
        name="poll",
    )
    return receipt(payment, parcels, excuse, polled)
