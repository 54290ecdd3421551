"""From record to exception: only classes of this package are made, whatever the record says."""

from __future__ import annotations

import re
from typing import TypeVar

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors import (
    BatchError,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    CompensationError,
    DurableError,
    InvokeError,
    OperationError,
    PayloadTooLargeError,
    SerDesError,
    StepError,
    StepInterruptedError,
    StepTimeoutError,
    WaitForConditionError,
)

__all__ = ["raised_at_first", "rebuild"]

E = TypeVar("E", bound=OperationError)

_REGISTRY: dict[str, type[DurableError]] = {
    cls.__name__: cls
    for cls in (
        OperationError,
        StepError,
        StepTimeoutError,
        StepInterruptedError,
        CallbackError,
        CallbackExternalError,
        CallbackTimeoutError,
        CallbackSubmitterError,
        InvokeError,
        ChildContextError,
        WaitForConditionError,
        BatchError,
        CompensationError,
        SerDesError,
        PayloadTooLargeError,
    )
}
_OFFICIAL = "aws_durable_execution_sdk_python."
_WRAPPED = re.compile(r"(\w+)\((.+)\)", re.DOTALL)  # ``StepError(shop.OutOfStock)``: what a step failed with


def _our_name(error_type: str) -> str:
    """Read the official SDK's classes as ours."""
    if not error_type.startswith(_OFFICIAL):
        return error_type
    name = error_type.rpartition(".")[2]
    return {"BatchCompletionError": "BatchError"}.get(name, name)


def _split(error_type: str | None) -> tuple[type[DurableError] | None, str | None]:
    """Return the class of ours that was raised, and the name of the class that was raised at first."""
    text = error_type or ""
    if (wrapped := _WRAPPED.fullmatch(text)) is not None and wrapped[1] in _REGISTRY:
        return _REGISTRY[wrapped[1]], wrapped[2]
    return _REGISTRY.get(_our_name(text)), error_type


def raised_at_first(record: ErrorObject) -> str | None:
    """Return the name of the class that was raised at first: ``KeyError`` of ``StepError(KeyError)``."""
    return _split(record.error_type)[1]


def rebuild(
    record: ErrorObject | None,
    cls: type[E],
    *,
    operation: str | None = None,
    attempts: int | None = None,
    foreign: bool = False,
) -> E | SerDesError | PayloadTooLargeError:
    """Make the exception that a recorded failure stands for.

    Parameters
    ----------
    record : ErrorObject | None
        What was checkpointed; None and an empty one are failures without words.
    cls : type[OperationError]
        The operation's own error class.
    operation : str | None
        The operation's name or id.
    attempts : int | None
        How many attempts were made, where the record tells.
    foreign : bool
        Another program wrote the record, such as an invoked function: what it says of its values is not said of
        ours.

    Returns
    -------
    OperationError | SerDesError | PayloadTooLargeError
        *cls*, or a class of ours that the record names and that is more precise: a subclass of *cls*, or an error about
        the value itself. With ``__cause__`` when an operation further down failed.
    """
    record = record or ErrorObject()
    message = record.error_message or ""
    known, error_type = _split(record.error_type)
    if (known is SerDesError or known is PayloadTooLargeError) and not foreign:
        return known(message)
    if known is None or not issubclass(known, OperationError):
        return _filled(cls, record, error_type).named(operation, attempts)
    precise = known if issubclass(known, cls) else cls
    error = _filled(precise, record, error_type).named(operation, attempts)
    if precise is not known:
        error.__cause__ = _filled(known, record, error_type)
    return error


def _filled(cls: type[E], record: ErrorObject, error_type: str | None) -> E:
    return cls(
        record.error_message or "",
        error_type=error_type,
        data=record.error_data,
        stack_trace=record.stack_trace or (),
    )
