"""The exceptions of ``aws_durable_execution_sdk_python.exceptions``.

An operation's failure is recorded with the qualified name of the class that was raised. So these classes carry the
name of the official module: an execution's history does not depend on which of the two packages wrote it.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import Enum
from typing import Any, Self, TypedDict

from powertools_durable import errors
from powertools_durable.compat.aws.operation_errors import (
    OFFICIAL,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    DurableOperationError,
    InvokeError,
    SerDesError,
    StepError,
    WaitForConditionError,
    register_operation_error,
)

__all__ = [
    "AwsErrorMetadata",
    "AwsErrorObj",
    "BackgroundThreadError",
    "BotoClientError",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "CheckpointError",
    "CheckpointErrorCategory",
    "ChildContextError",
    "DurableApiErrorCategory",
    "DurableExecutionsError",
    "DurableOperationError",
    "ExecutionError",
    "GetExecutionStateError",
    "InvalidStateError",
    "InvocationError",
    "InvokeError",
    "NonDeterministicExecutionError",
    "OrderedLockError",
    "OrphanedChildException",
    "PluginLoadError",
    "RetryableSerDesError",
    "SerDesError",
    "StepError",
    "StepInterruptedError",
    "SuspendExecution",
    "TerminationReason",
    "TimedSuspendExecution",
    "UnrecoverableError",
    "ValidationError",
    "WaitForConditionError",
    "register_operation_error",
]

_HERE = f"{OFFICIAL}.exceptions"

DurableExecutionsError = errors.DurableError
InvalidStateError = errors.InvalidStateError
PluginLoadError = errors.DurableConfigError
SuspendExecution = errors.SuspendExecution


class AwsErrorObj(TypedDict):
    """The error in an answer of AWS."""

    Code: str | None
    Message: str | None


class AwsErrorMetadata(TypedDict):
    """What AWS says about an answer."""

    RequestId: str | None
    HostId: str | None
    HTTPStatusCode: int | None
    HTTPHeaders: str | None
    RetryAttempts: str | None


class TerminationReason(Enum):
    """Why an execution, or an invocation, was ended."""

    UNHANDLED_ERROR = "UNHANDLED_ERROR"
    INVOCATION_ERROR = "INVOCATION_ERROR"
    EXECUTION_ERROR = "EXECUTION_ERROR"
    CHECKPOINT_FAILED = "CHECKPOINT_FAILED"
    NON_DETERMINISTIC_EXECUTION = "NON_DETERMINISTIC_EXECUTION"
    STEP_INTERRUPTED = "STEP_INTERRUPTED"
    SERIALIZATION_ERROR = "SERIALIZATION_ERROR"


class ValidationError(DurableExecutionsError):
    """An argument of a durable operation is wrong."""

    __module__ = _HERE
    code = "VALIDATION"


# -- errors that end the invocation or the execution -------------------------------------------------------------


class UnrecoverableError(DurableExecutionsError):
    """Ends the invocation, or the execution."""

    __module__ = _HERE

    def __init__(self, message: str, termination_reason: TerminationReason) -> None:
        super().__init__(message)
        self.termination_reason = termination_reason


class ExecutionError(UnrecoverableError, errors.ValidationError):
    """Fails the execution at once: it is neither retried nor recorded by the operation around it."""

    __module__ = _HERE

    def __init__(self, message: str, termination_reason: TerminationReason = TerminationReason.EXECUTION_ERROR) -> None:
        super().__init__(message, termination_reason)


class InvocationError(UnrecoverableError, errors.RetryInvocation):
    """Ends the invocation, and Lambda makes another one. In a step it is a failed attempt like any other error."""

    __module__ = _HERE

    def __init__(
        self, message: str, termination_reason: TerminationReason = TerminationReason.INVOCATION_ERROR
    ) -> None:
        super().__init__(message, termination_reason)

    def is_retryable(self) -> bool:
        """Return whether another invocation may help; a subclass may say no, and the execution fails."""
        return True


class DurableApiErrorCategory(Enum):
    """What an error of the service ends: this invocation, or the execution."""

    INVOCATION = "INVOCATION"
    EXECUTION = "EXECUTION"


CheckpointErrorCategory = DurableApiErrorCategory


class BotoClientError(InvocationError):
    """An error of the service. Here the engine handles those, and none reaches a handler."""

    __module__ = _HERE

    def __init__(
        self,
        message: str,
        error_category: DurableApiErrorCategory = DurableApiErrorCategory.INVOCATION,
        error: AwsErrorObj | None = None,
        response_metadata: AwsErrorMetadata | None = None,
        termination_reason: TerminationReason = TerminationReason.INVOCATION_ERROR,
    ) -> None:
        super().__init__(message, termination_reason)
        self.error = error
        self.response_metadata = response_metadata
        self.error_category = error_category

    def is_retryable(self) -> bool:
        """Return whether another invocation may help."""
        return self.error_category is DurableApiErrorCategory.INVOCATION

    is_retriable = is_retryable

    def build_logger_extras(self) -> dict[str, Any]:
        """Return what the service said, for a log line."""
        parts: dict[str, Any] = {"Error": self.error, "ResponseMetadata": self.response_metadata}
        return {name: part for name, part in parts.items() if part}


class CheckpointError(BotoClientError):
    """A checkpoint was refused; see `BotoClientError`."""

    __module__ = _HERE

    def __init__(
        self,
        message: str,
        error_category: DurableApiErrorCategory = DurableApiErrorCategory.INVOCATION,
        error: AwsErrorObj | None = None,
        response_metadata: AwsErrorMetadata | None = None,
    ) -> None:
        super().__init__(message, error_category, error, response_metadata, TerminationReason.CHECKPOINT_FAILED)


class GetExecutionStateError(BotoClientError):
    """The records could not be loaded; see `BotoClientError`."""

    __module__ = _HERE

    def __init__(
        self,
        message: str,
        error_category: DurableApiErrorCategory = DurableApiErrorCategory.INVOCATION,
        error: AwsErrorObj | None = None,
        response_metadata: AwsErrorMetadata | None = None,
    ) -> None:
        super().__init__(message, error_category, error, response_metadata)


class NonDeterministicExecutionError(ExecutionError, errors.NonDeterminismError):
    """The code asks for another operation than the one that is recorded."""

    __module__ = _HERE

    def __init__(self, message: str, step_id: str | None = None) -> None:
        errors.NonDeterminismError.__init__(self, message)
        self.termination_reason = TerminationReason.NON_DETERMINISTIC_EXECUTION
        self.step_id = step_id


class StepInterruptedError(InvocationError):
    """An invocation ended inside an at-most-once step; the step's retry strategy gets it."""

    __module__ = _HERE

    def __init__(self, message: str, step_id: str | None = None) -> None:
        super().__init__(message, TerminationReason.STEP_INTERRUPTED)
        self.step_id = step_id


class RetryableSerDesError(InvocationError, errors.RetryableSerDesError):
    """A serdes asks for another invocation, because its storage can't be reached just now."""

    __module__ = _HERE

    def __init__(
        self, message: str, termination_reason: TerminationReason = TerminationReason.SERIALIZATION_ERROR
    ) -> None:
        super().__init__(message, termination_reason)


# -- names that nothing here raises --------------------------------------------------------------------------------


class BackgroundThreadError(BaseException):
    """Nothing raises it here: the engine has no such thread."""

    __module__ = _HERE

    def __init__(self, message: str, source_exception: Exception) -> None:
        super().__init__(message)
        self.source_exception = source_exception


class TimedSuspendExecution(SuspendExecution):
    """Nothing raises it here: `SuspendExecution` is the signal of every suspension."""

    __module__ = _HERE

    def __init__(self, message: str, scheduled_timestamp: float) -> None:
        super().__init__()
        self.args = (message,)
        self.scheduled_timestamp = scheduled_timestamp

    @classmethod
    def from_delay(cls, message: str, delay_seconds: int) -> Self:
        """Build it for *delay_seconds* from now."""
        return cls(message, time.time() + delay_seconds)

    @classmethod
    def from_datetime(cls, message: str, datetime_timestamp: datetime) -> Self:
        """Build it for a moment."""
        return cls(message, datetime_timestamp.timestamp())


class OrderedLockError(DurableExecutionsError):
    """Nothing raises it here: the engine has no such lock."""

    __module__ = _HERE

    def __init__(self, message: str, source_exception: Exception | None = None) -> None:
        cause = f" {type(source_exception).__name__}: {source_exception}" if source_exception else ""
        super().__init__(f"{message}{cause}")
        self.source_exception = source_exception


class OrphanedChildException(BaseException):
    """Nothing raises it here: a branch whose fan-out is complete is ended by a signal of the engine."""

    __module__ = _HERE

    def __init__(self, message: str, operation_id: str) -> None:
        super().__init__(message)
        self.operation_id = operation_id
