"""A callback: create an id for an external system, and read its answer later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.update import CallbackOptions
from powertools_durable._replay.effects import Call, Checkpoint, Flow, Suspend
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import CallbackError, CallbackExternalError, CallbackTimeoutError
from powertools_durable.serdes.base import SerDes

__all__ = ["call", "callback_result", "create_callback", "result_call"]

C = TypeVar("C")
T = TypeVar("T")


def call(  # noqa: PLR0917 - the options of `create_callback`
    frame: Frame,
    sub_type: str,
    name: str | None,
    timeout: int,
    heartbeat_timeout: int,
    make: Callable[[OperationHandle, str], C],
    answer: SerDes[Any],
) -> Call[C]:
    """Build the call of `create_callback` in *frame*, and take its id. *answer* reads its answer."""
    op = frame.begin(OperationType.CALLBACK, sub_type, name)
    frame.engine.answers[op.id] = answer
    return Call(frame, op, create_callback(op, timeout, heartbeat_timeout, partial(make, op)), at_start=True)


def result_call(frame: Frame, op: OperationHandle, serdes: SerDes[T]) -> Call[T]:
    """Build the call of `Callback.result`, which takes no id."""
    frame.request_result(op)
    return Call(frame, op, callback_result(op, serdes))


def create_callback(op: OperationHandle, timeout: int, heartbeat_timeout: int, make: Callable[[str], C]) -> Flow[C]:
    """Have the service create a callback id, and return ``make(id)``. See docs/contributing/protocol.md#callback.

    This never raises for a callback that has failed already: the code up to `Callback.result` must run the same way
    on every replay.
    """
    if op.status is None:
        options = CallbackOptions(timeout_seconds=timeout, heartbeat_timeout_seconds=heartbeat_timeout)
        yield Checkpoint(op.start(callback=options))
    if not op.callback_id:
        message = (
            f"{op.label} has no callback id in its record: the backend did not create one. Nor does a "
            "MockDurableContext: prepare the callback by with_callback()"
        )
        raise CallbackError(message, operation=op.name or op.id)
    return make(op.callback_id)


def callback_result(op: OperationHandle, serdes: SerDes[T]) -> Flow[T]:
    """Return the answer, or suspend until there is one."""
    while True:
        match op.status:
            case Status.SUCCEEDED:
                value: T = op.decode(serdes)
                return value
            case Status.STARTED:  # the service enforces its timeout
                yield Suspend()
            case Status.TIMED_OUT:
                raise _error_from_answer(op, CallbackTimeoutError, "Callback timed out")
            case Status.FAILED | Status.CANCELLED | Status.STOPPED:
                raise _error_from_answer(op, CallbackExternalError, "Callback failed")
            case _:
                raise op.failure(CallbackError)


def _error_from_answer(op: OperationHandle, cls: type[CallbackError], default_message: str) -> CallbackError:
    """Build the error with the message of the answer; *default_message* if it has none."""
    error = op.error
    return cls(
        (error and error.error_message) or default_message,
        error_type=(error and error.error_type) or None,
        data=error.error_data if error else None,
        stack_trace=(error and error.stack_trace) or (),
    ).named(op.name or op.id)
