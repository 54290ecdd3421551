"""The failures of operations among the exceptions of ``aws_durable_execution_sdk_python.exceptions``."""

from __future__ import annotations

from powertools_durable import errors

__all__ = [
    "OFFICIAL",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "ChildContextError",
    "DurableOperationError",
    "InvokeError",
    "SerDesError",
    "StepError",
    "WaitForConditionError",
    "qualified",
    "register_operation_error",
]

OFFICIAL = "aws_durable_execution_sdk_python"
_HERE = f"{OFFICIAL}.exceptions"


class DurableOperationError(errors.OperationError):
    """An operation failed; the subclass says which kind.

    Parameters
    ----------
    message : str | None
        The message of what was raised.
    error_type : str | None
        The name of the class that was raised; default: that of this class.
    data : str | None
        What the failing side attached.
    stack_trace : list[str] | None
        Where it was raised.
    """

    __module__ = _HERE

    def __init__(
        self,
        message: str | None = None,
        error_type: str | None = None,
        data: str | None = None,
        stack_trace: list[str] | None = None,
    ) -> None:
        errors.OperationError.__init__(
            self, message or "", error_type=error_type or qualified(type(self)), data=data, stack_trace=()
        )
        self.stack_trace = stack_trace  # type: ignore[assignment] # a list there, a tuple here

    @classmethod
    def from_error_fields(
        cls, error_type: str | None, message: str | None, data: str | None, stack_trace: list[str] | None
    ) -> DurableOperationError:
        """Build the exception that a record's fields stand for."""
        made = _REGISTRY.get(error_type or "", DurableOperationError)
        return made(message=message, error_type=error_type, data=data, stack_trace=stack_trace)


class StepError(DurableOperationError, errors.StepError):
    """A step failed."""

    __module__ = _HERE


class InvokeError(DurableOperationError, errors.InvokeError):
    """An invoked function failed."""

    __module__ = _HERE


class ChildContextError(DurableOperationError, errors.ChildContextError):
    """The function of a child context, a branch or an item failed."""

    __module__ = _HERE


class WaitForConditionError(DurableOperationError, errors.WaitForConditionError):
    """A check failed, or the condition was not met in time."""

    __module__ = _HERE


class CallbackError(DurableOperationError, errors.CallbackError):
    """A callback failed."""

    __module__ = _HERE


class CallbackExternalError(CallbackError, errors.CallbackExternalError):
    """The external system answered with a failure."""

    __module__ = _HERE


class CallbackTimeoutError(CallbackError, errors.CallbackTimeoutError):
    """The external system did not answer in time."""

    __module__ = _HERE


class CallbackSubmitterError(CallbackError, errors.CallbackSubmitterError):
    """The function that passes on the callback id failed."""

    __module__ = _HERE


class SerDesError(errors.SerDesError):
    """A value can't be written, or a text can't be read.

    Parameters
    ----------
    message, error_type, data, stack_trace
        As of `DurableOperationError`.
    """

    __module__ = _HERE

    def __init__(
        self,
        message: str | None = None,
        error_type: str | None = None,
        data: str | None = None,
        stack_trace: list[str] | None = None,
    ) -> None:
        super().__init__(message or "")
        self.message = message
        self.error_type = error_type or qualified(SerDesError)
        self.data = data
        self.stack_trace = stack_trace


def qualified(cls: type[BaseException]) -> str:
    """Return the name by which a class is recorded: with its module, unless it is a builtin."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


_REGISTRY: dict[str, type[DurableOperationError]] = {
    qualified(cls): cls
    for cls in (
        StepError,
        InvokeError,
        ChildContextError,
        WaitForConditionError,
        CallbackError,
        CallbackExternalError,
        CallbackTimeoutError,
        CallbackSubmitterError,
    )
}


def register_operation_error(error_cls: type[DurableOperationError]) -> None:
    """Let `DurableOperationError.from_error_fields` build *error_cls* from a record."""
    _REGISTRY[qualified(error_cls)] = error_cls
