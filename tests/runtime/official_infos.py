"""Prints what the official SDK tells its plugins of one program; see `test_plugin_infos.py`."""

from __future__ import annotations

import json
import logging
import warnings

from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.plugin import DurableInstrumentationPlugin
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

HEARD = []


class Notes(DurableInstrumentationPlugin):
    def on_operation_end(self, info):
        HEARD.append(info)


class Factory:
    def create_plugin(self, _info):
        return Notes()


def fails(_):
    raise ValueError("no")


@durable_execution(plugins=[Factory()])
def handler(event, ctx):
    ctx.step(lambda _: {"a": 1}, name="one")
    try:
        ctx.step(fails, name="fails", config=StepConfig(retry_strategy=RetryPresets.none()))
    except Exception:  # noqa: BLE001 - it is about what is told of it
        pass
    ctx.run_in_child_context(lambda child: child.step(lambda _: 2, name="inner"), name="child")
    ctx.parallel([lambda child: child.step(lambda _: 3, name="left")], name="both")
    ctx.wait(Duration.from_seconds(1), name="pause")
    return ctx.step(lambda _: "z", name="last")


def main():
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with DurableFunctionTestRunner(handler) as runner:
        runner.run(input="{}", execution_timeout=60)
    told = {
        one.name: [
            *(one.operation_type.value, one.sub_type, one.parent_id, one.status.value, one.attempt, one.result),
            one.error.type if one.error else None,
            (one.start_time is not None, one.end_time is not None),
        ]
        for one in HEARD
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
