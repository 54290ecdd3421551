"""A handler, and tests with the plug-in's fixtures, for docs/testing/index.md and docs/testing/fixtures.md."""

# --8<-- [start:top]
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from aws_lambda_powertools import Logger

from powertools_durable import DurableContext, durable
from powertools_durable.testing import Simulator
from powertools_durable.testing.fixtures.captured_logs import CapturedLogs

logger = Logger(service="greetings")
# --8<-- [end:top]


# --8<-- [start:handler]
def greet(name: str) -> str:
    return f"Hello, {name}!"


@durable
def handler(name: str, ctx: DurableContext) -> str:
    logger.info("greeting")
    greeting = ctx.step(greet, name)
    ctx.wait(timedelta(days=1), name="good-night")
    logger.info("greeted")
    return greeting


# --8<-- [end:handler]


# --8<-- [start:first]
def test_ada_is_greeted(durable_simulator: Callable[..., Simulator]) -> None:
    run = durable_simulator(handler).start("Ada").finish()
    assert run.result == "Hello, Ada!"
    assert len(run.invocations) == 2  # before the wait, and after it


# --8<-- [end:first]


# --8<-- [start:logs]
def test_each_line_is_logged_once(
    durable_simulator: Callable[..., Simulator], captured_logs: CapturedLogs
) -> None:
    durable_simulator(handler).start("Ada").finish()
    assert captured_logs.messages == ["greeting", "greeted"]
    assert [line["service"] for line in captured_logs.of("greetings")] == [
        "greetings",
        "greetings",
    ]


# --8<-- [end:logs]
