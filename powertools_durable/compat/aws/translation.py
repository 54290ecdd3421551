"""From this package's exceptions to the official ones, and the other way for those that steps treat as ordinary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from powertools_durable import errors
from powertools_durable.compat.aws.exceptions import (
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    DurableOperationError,
    ExecutionError,
    InvocationError,
    InvokeError,
    NonDeterministicExecutionError,
    RetryableSerDesError,
    SerDesError,
    StepError,
    StepInterruptedError,
    UnrecoverableError,
    WaitForConditionError,
)
from powertools_durable.compat.aws.operation_errors import qualified

__all__ = ["StrategyFailure", "official_errors", "ordinary", "original_of", "run_branch"]

C = TypeVar("C")
T = TypeVar("T")

_OPERATION_ERRORS = (
    StepError,
    InvokeError,
    ChildContextError,
    WaitForConditionError,
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    CallbackSubmitterError,
)
_RECORDED_BARE: Mapping[str, type[BaseException]] = {
    "StepInterruptedError": StepInterruptedError,
    "SerDesError": SerDesError,
    **{cls.__name__: cls for cls in _OPERATION_ERRORS},
}


class StrategyFailure(errors.ValidationError):
    """Brings the error of a retry strategy through the engine, to the place where the step is called."""


def _raise_official(error: errors.DurableError, cls: type[DurableOperationError]) -> NoReturn:
    """Raise the official equivalent of *error*, which an operation of kind *cls* raised."""
    match error:
        case StrategyFailure(__cause__=Exception() as problem):
            raise problem from problem.__cause__  # with its own cause, and without the failure that brought it
        case DurableOperationError() | ExecutionError() | InvocationError() | SerDesError():
            raise error
        case errors.NonDeterminismError():
            raise NonDeterministicExecutionError(str(error)) from error
        case errors.CallbackExternalError() | errors.CallbackTimeoutError() if issubclass(cls, CallbackError):
            is_timeout = isinstance(error, errors.CallbackTimeoutError)
            _raise_failure(error, CallbackTimeoutError if is_timeout else CallbackExternalError, None)
        case errors.OperationError():
            bare = _RECORDED_BARE.get(error.error_type)
            _raise_failure(error, cls, qualified(bare) if bare is not None else error.error_type)
        case errors.RetryableSerDesError():
            raise RetryableSerDesError(str(error)) from error
        case errors.SerDesError():
            name = qualified(SerDesError)
            raise SerDesError(str(error)) from DurableOperationError.from_error_fields(name, str(error), None, None)
        case _:
            raise error


def _raise_failure(error: errors.OperationError, cls: type[DurableOperationError], error_type: str | None) -> NoReturn:
    stack = list(error.stack_trace) or None
    made = cls(message=error.message, error_type=error_type, data=error.data, stack_trace=stack)
    made.named(error.operation)
    cause = None
    if error_type is not None:
        cause = DurableOperationError.from_error_fields(error_type, error.message, error.data, stack)
    raise made from cause


def ordinary(error: Exception) -> Exception:
    """Return an exception that is recorded like *error*, and that a step handles like any other failure."""
    cls = type(error)
    fields = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    made: Exception = type(cls.__name__, (Exception,), fields)(str(error))
    made.__cause__ = error
    return made.with_traceback(error.__traceback__)


def original_of(error: Exception) -> Exception:
    """Return what `ordinary` was given; any other exception as it is, that of an interrupted step as the official."""
    if isinstance(error, errors.StepInterruptedError):
        return StepInterruptedError(str(error))
    cause = error.__cause__
    is_stand_in = isinstance(cause, UnrecoverableError) and type(error).__qualname__ == type(cause).__qualname__
    return cause if is_stand_in and isinstance(cause, Exception) else error


@contextmanager
def official_errors(cls: type[DurableOperationError]) -> Iterator[None]:
    """Raise the official exceptions in place of this package's, for an operation whose failure is a *cls*."""
    try:
        yield
    except errors.DurableError as error:
        _raise_official(error, cls)


def run_branch(func: Callable[[C], T], context: C) -> T:
    """Run the code of a context; an `InvocationError` that no other invocation would help is its failure."""
    try:
        return func(context)
    except InvocationError as error:
        if error.is_retryable():
            raise
        raise ordinary(error) from error
