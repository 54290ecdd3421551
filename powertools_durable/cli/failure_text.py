"""Describes a recorded error as `OperationError.describe` does: which operation failed, and with what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationType, SubType
from powertools_durable.errors import (
    BatchError,
    CallbackError,
    ChildContextError,
    InvokeError,
    OperationError,
    StepError,
    WaitForConditionError,
)
from powertools_durable.errors.rebuilding import raised_at_first, rebuild

__all__ = ["describe_execution_failure", "describe_failure"]

_BY_SUB_TYPE: Final[dict[str, type[OperationError]]] = {
    SubType.WAIT_FOR_CONDITION: WaitForConditionError,
    SubType.MAP: BatchError,
    SubType.PARALLEL: BatchError,
    SubType.WAIT_FOR_CALLBACK: CallbackError,
}
_BY_TYPE: Final[dict[str, type[OperationError]]] = {
    OperationType.STEP: StepError,
    OperationType.CONTEXT: ChildContextError,
    OperationType.CALLBACK: CallbackError,
    OperationType.CHAINED_INVOKE: InvokeError,
}


def describe_failure(error: ErrorObject, attempts: int | None) -> str:
    """Return ``failed after 3 attempts: KeyError: 'sku'``, to be printed after the operation's name."""
    if not error.error_type and not error.error_message:
        return "failed"
    failure = OperationError(error.error_message or "", error_type=raised_at_first(error)).named(None, attempts)
    return f"failed{failure.describe().partition(' failed')[2]}"


def describe_execution_failure(error: ErrorObject, operations: Iterable[Operation]) -> str:
    """Return ``step 'charge' failed after 3 attempts: KeyError: 'sku'`` for the error that an execution failed with.

    That error does not name the operation, so this looks for one that failed with the same class and message. Without
    one it returns the error's class and message.
    """
    raised = rebuild(error, OperationError)
    if isinstance(raised, OperationError) and type(raised) is not OperationError:
        failures = [failure for record in _outermost_last(operations) if (failure := _failure_of(record)) is not None]
        for failure in reversed(failures):
            if isinstance(raised, type(failure)) and failure.message == raised.message:
                return failure.describe()
    return ": ".join(filter(None, (raised_at_first(error), error.error_message)))


def _outermost_last(operations: Iterable[Operation]) -> list[Operation]:
    return sorted(operations, key=lambda record: record.parent_id is None)


def _failure_of(record: Operation) -> OperationError | None:
    error = record.outcome.error if record.outcome is not None else None
    cls = _BY_SUB_TYPE.get(record.sub_type or "") or _BY_TYPE.get(record.type)
    if error is None or cls is None or not record.status.is_terminal:
        return None
    failure = rebuild(error, cls, operation=record.name or record.id, attempts=record.attempts)
    return failure if isinstance(failure, OperationError) else None
