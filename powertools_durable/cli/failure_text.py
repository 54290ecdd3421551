"""Describes a recorded error as `OperationError.describe` does: which operation failed, and with what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._timeline import Failure, Kind, Operation
from powertools_durable.errors import (
    BatchError,
    CallbackError,
    ChildContextError,
    InvokeError,
    OperationError,
    StepError,
    WaitForConditionError,
)
from powertools_durable.errors.rebuilding import rebuild

__all__ = ["describe_execution_failure", "describe_failure"]

_CLASSES: Final[dict[Kind, type[OperationError]]] = {
    Kind.STEP: StepError,
    Kind.WAIT_FOR_CONDITION: WaitForConditionError,
    Kind.MAP: BatchError,
    Kind.PARALLEL: BatchError,
    Kind.CALLBACK: CallbackError,
    Kind.WAIT_FOR_CALLBACK: CallbackError,
    Kind.INVOKE: InvokeError,
    Kind.CONTEXT: ChildContextError,
    Kind.BRANCH: ChildContextError,
    Kind.COMPENSATION: ChildContextError,
    Kind.WITH_RETRY: ChildContextError,
}


def describe_failure(failure: Failure | None, attempts: int | None) -> str:
    """Return ``failed after 3 attempts: KeyError: 'sku'``, to be printed after the operation's name."""
    if failure is None or not (failure.type or failure.message):
        return "failed"
    error = OperationError(failure.message or "", error_type=failure.type).named(None, attempts)
    return f"failed{error.describe().partition(' failed')[2]}"


def describe_execution_failure(failure: Failure, operations: Iterable[Operation]) -> str:
    """Return ``step 'charge' failed after 3 attempts: KeyError: 'sku'`` for the error that an execution failed with.

    That error does not name the operation, so this looks for one that failed with the same class and message, first
    among those that the handler called itself. Without one it returns the error's class and message.
    """
    raised = _rebuilt(failure, OperationError)
    if isinstance(raised, OperationError) and type(raised) is not OperationError:
        top = list(operations)
        inner = [one for outer in top for one in outer.walk() if one is not outer]
        for one in (*reversed(top), *reversed(inner)):
            error = _error_of(one)
            if error is not None and isinstance(raised, type(error)) and error.message == raised.message:
                return error.describe()
    return ": ".join(filter(None, (failure.type, failure.message)))


def _error_of(one: Operation) -> OperationError | None:
    cls = _CLASSES.get(one.kind)
    if one.failure is None or cls is None or one.is_open:
        return None
    attempts = one.attempts[-1].number if one.attempts and one.kind is not Kind.WITH_RETRY else 0
    error = _rebuilt(one.failure, cls, one.name or one.label, attempts)
    return error if isinstance(error, OperationError) else None


def _rebuilt(
    failure: Failure, cls: type[OperationError], operation: str | None = None, attempts: int | None = None
) -> Exception:
    record = ErrorObject(error_type=failure.recorded_type, error_message=failure.message)
    return rebuild(record, cls, operation=operation, attempts=attempts)
