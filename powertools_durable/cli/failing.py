"""Whose failure an error is, in the words of `OperationError.describe`: what is recorded names the wrapper too."""

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

__all__ = ["described_end", "described_failure"]

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


def described_failure(error: ErrorObject, attempts: int | None) -> str:
    """Return ``failed after 3 attempts: KeyError: 'sku'``, for what stands beside the operation's name."""
    if not error.error_type and not error.error_message:
        return "failed"
    words = (
        OperationError(error.error_message or "", error_type=raised_at_first(error)).named(None, attempts).describe()
    )
    return f"failed{words.partition(' failed')[2]}"


def described_end(error: ErrorObject, operations: Iterable[Operation]) -> str:
    """Return ``step 'charge' failed after 3 attempts: KeyError: 'sku'`` for what an execution failed with.

    The answer has the class of the error that left the handler, so the operation is looked for by what it failed with;
    where there is none, class and message are returned.
    """
    end = rebuild(error, OperationError)
    if isinstance(end, OperationError) and type(end) is not OperationError:
        failures = [one for record in _outermost_last(operations) if (one := _failure_of(record)) is not None]
        for failure in reversed(failures):
            if isinstance(end, type(failure)) and failure.message == end.message:
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
