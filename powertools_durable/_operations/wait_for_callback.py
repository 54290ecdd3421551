"""Submit a callback id and wait for the answer: a context that contains a callback and a step.

Its failures have their own classes, which are derived from the context's record, so they are the same on every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable._operations import callback
from powertools_durable._protocol.limits import MAX_NAME_LENGTH
from powertools_durable._protocol.operation import SubType
from powertools_durable._replay.effects import Call, Flow, Outcome, Perform, Raised, Series
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import (
    CallbackError,
    CallbackSubmitterError,
    ChildContextError,
    OperationError,
    StepError,
)
from powertools_durable.serdes.base import SerDes

__all__ = ["callback_name", "inner_name", "submit_and_wait", "submitter_name", "unwrap_failure"]

T = TypeVar("T")


@frozen(repr=False)
class Created:
    """A callback that the service has created."""

    op: OperationHandle
    callback_id: str


def callback_name(name: str | None) -> str:
    """Return the name of the callback (docs/contributing/protocol.md#sub-types-and-names)."""
    return inner_name(name, " create callback id").strip()


def submitter_name(name: str | None) -> str:
    """Return the name of the submitter's step."""
    return inner_name(name, " submitter").strip()


def inner_name(name: str | None, suffix: str) -> str:
    """Return a name that begins with that of the enclosing operation, cut to the maximum length."""
    return (name or "")[: MAX_NAME_LENGTH - len(suffix)] + suffix


def submit_and_wait(
    frame: Frame,
    name: str | None,
    timeouts: tuple[int, int],
    submit: Callable[[str], Call[Any]],
    answer: SerDes[Any],
) -> Series[Outcome]:
    """Create a callback, submit its id in the step that *submit* begins, and wait for the answer.

    *timeouts* are the callback's timeout and heartbeat timeout, in seconds; 0 is none.
    """
    make = partial(callback.call, frame, SubType.CALLBACK, callback_name(name), *timeouts, Created, answer)
    created: Outcome = yield Perform("create_callback", make)
    if isinstance(created, Raised):
        return created
    callback_id: str = created.value.callback_id
    submitted: Outcome = yield Perform("step", partial(submit, callback_id))
    if isinstance(submitted, Raised):
        return submitted
    answered: Outcome = yield Perform("callback.result", partial(callback.result_call, frame, created.value.op, answer))
    return answered


def unwrap_failure(flow: Flow[T]) -> Flow[T]:
    """Run the context's flow; raise the failure of the operation inside in place of the context's.

    See docs/contributing/protocol.md#wait-for-callback.
    """
    failure: OperationError
    try:
        return (yield from flow)
    except ChildContextError as error:
        match error.__cause__:
            case CallbackError() as inner:
                raise inner.named(error.operation) from None
            case StepError() as inner:
                failure = CallbackSubmitterError(
                    error.message,
                    error_type=inner.error_type,
                    data=error.data,
                    stack_trace=error.stack_trace,
                )
                raise failure.named(error.operation) from inner
            case _:
                raise
