"""What several suites need: a log that tells executions apart, a serdes that shows, a way to crash."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import NoReturn

from powertools_durable import DurableContext, Retry, current_scope, current_step
from powertools_durable.serdes import SerDesContext

ONE_SECOND = Retry(max_attempts=4, initial_delay=1, backoff_rate=1, jitter="none")


class BrokenError(Exception):
    """What failing steps raise."""


class ExecutionFormatter(logging.Formatter):
    """One JSON object a line, with the execution's ARN where the requirements look for it."""

    def format(self, record: logging.LogRecord) -> str:
        scope = current_scope()
        arn = scope.execution_arn if scope else None
        return json.dumps({"level": record.levelname, "message": record.getMessage(), "executionArn": arn})


logger = logging.getLogger("conformance")
logger.setLevel(logging.INFO)
logger.propagate = False
_stream = logging.StreamHandler(sys.stdout)
_stream.setFormatter(ExecutionFormatter())
logger.addHandler(_stream)


class Uppercase:
    """A serdes whose work is visible in the result."""

    def serialize(self, value: str, context: SerDesContext) -> str:
        return value.upper()

    def deserialize(self, text: str, context: SerDesContext) -> str:
        return text


def same(value: str) -> str:
    return value


def broken() -> NoReturn:
    raise BrokenError("broken on purpose")


def unreliable(result: str, succeeds_at: int) -> str:
    """Fail until attempt number *succeeds_at*."""
    if current_step().attempt < succeeds_at:
        raise BrokenError("not yet")
    return result


def crash() -> NoReturn:
    """End the process the way Lambda's runtime dies."""
    sys.stdout.flush()
    os._exit(1)


def crash_once_started(ctx: DurableContext) -> NoReturn:
    """Crash when the service knows that the running step has started; at-least-once steps do not wait for it."""
    step = current_step()
    while ctx.replay_engine.get(step.operation_id) is None:
        time.sleep(0.05)
    crash()
