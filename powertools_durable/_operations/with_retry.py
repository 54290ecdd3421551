"""Run several operations as one, and all of them again when one fails: a loop with waits in a child context."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from powertools_durable._operations import wait
from powertools_durable._operations.wait_for_callback import inner_name
from powertools_durable._replay.effects import FailedAttempt, Outcome, Perform, Raised, Returned, Run, Series
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import SerDesError
from powertools_durable.retry import RetryPolicy, decide

__all__ = ["with_retry"]


def with_retry(frame: Frame, body: Callable[[], Any], retry: RetryPolicy, name: str | None) -> Series[Outcome]:
    """Run *body* until an attempt succeeds or the retry policy gives up; suspend between two attempts.

    The policy is called again on every replay.
    """
    for attempt in count(1):
        outcome: Outcome = yield Run(body)
        match outcome:
            case Returned() | Raised(SerDesError()):  # another attempt would return such a value again
                return outcome
            case Raised(error):
                with frame.busy("the retry policy of ctx.with_retry()"):
                    delay = decide(retry, error, attempt, frame.engine.random)
                if delay is None:
                    return outcome
                pause = inner_name(name, f"-backoff-{attempt}") if name else None
                after = FailedAttempt(name, attempt, delay, error)
                waited: Outcome = yield Perform("wait", partial(wait.call, frame, delay, pause), after)
                if isinstance(waited, Raised):
                    return waited
    raise AssertionError
