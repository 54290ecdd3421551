"""The service in ``aws_durable_execution_sdk_python.lambda_service``: its enums, and errors as they are recorded."""

from __future__ import annotations

import builtins
from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, NoReturn, TypeAlias

from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.operation_errors import DurableOperationError, SerDesError, qualified

__all__ = [
    "CallbackTimeoutType",
    "ErrorObject",
    "InvocationStatus",
    "OperationAction",
    "OperationPayload",
    "OperationStatus",
    "OperationSubType",
    "OperationType",
]
__getattr__ = elsewhere(
    __name__,
    {
        "exceptions": "CheckpointError GetExecutionStateError",
    },
)

OperationPayload: TypeAlias = str


class OperationAction(Enum):
    """What an update does to an operation."""

    START = "START"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"
    RETRY = "RETRY"
    CANCEL = "CANCEL"


class OperationStatus(Enum):
    """How far an operation is."""

    STARTED = "STARTED"
    PENDING = "PENDING"
    READY = "READY"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"


class OperationType(Enum):
    """What an operation is to the service."""

    EXECUTION = "EXECUTION"
    CONTEXT = "CONTEXT"
    STEP = "STEP"
    WAIT = "WAIT"
    CALLBACK = "CALLBACK"
    CHAINED_INVOKE = "CHAINED_INVOKE"


class OperationSubType(StrEnum):
    """What an operation is to the SDK; a ``sub_type`` of your own is any other text."""

    STEP = "Step"
    WAIT = "Wait"
    CALLBACK = "Callback"
    RUN_IN_CHILD_CONTEXT = "RunInChildContext"
    MAP = "Map"
    MAP_ITERATION = "MapIteration"
    PARALLEL = "Parallel"
    PARALLEL_BRANCH = "ParallelBranch"
    WAIT_FOR_CALLBACK = "WaitForCallback"
    WAIT_FOR_CONDITION = "WaitForCondition"
    CHAINED_INVOKE = "ChainedInvoke"


class CallbackTimeoutType(Enum):
    """Which timeout of a callback expired."""

    TIMEOUT = "Callback.Timeout"
    HEARTBEAT = "Callback.Heartbeat"


class InvocationStatus(Enum):
    """How an invocation ended; ``RETRY`` is told to plug-ins only."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    RETRY = "RETRY"


@dataclass(frozen=True)
class ErrorObject:
    """A failure as it is recorded."""

    message: str | None
    type: str | None
    data: str | None
    stack_trace: list[str] | None

    @classmethod
    def from_dict(cls, data: MutableMapping[str, Any]) -> ErrorObject:
        """Read it from the service's JSON."""
        return cls(*(data.get(key) for key in ("ErrorMessage", "ErrorType", "ErrorData", "StackTrace")))

    @classmethod
    def from_exception(cls, exception: BaseException) -> ErrorObject:
        """Return what is recorded of an exception."""
        if isinstance(exception, DurableOperationError | SerDesError):
            kind = qualified(SerDesError if isinstance(exception, SerDesError) else type(exception))
            return cls(exception.message, kind, exception.data, exception.stack_trace)  # type: ignore[arg-type]
        return cls(str(exception), qualified(type(exception)), None, None)

    @classmethod
    def from_message(cls, message: str) -> ErrorObject:
        """Return a failure that has nothing but a message."""
        return cls(message, None, None, None)

    def to_dict(self) -> MutableMapping[str, Any]:
        """Return it as the service's JSON, without what is None."""
        parts = {
            "ErrorMessage": self.message,
            "ErrorType": self.type,
            "ErrorData": self.data,
            "StackTrace": self.stack_trace,
        }
        return {key: part for key, part in parts.items() if part is not None}

    def to_durable_operation_error(self) -> DurableOperationError:
        """Return the exception that the record names; the base class if it names none of the SDK's."""
        return DurableOperationError.from_error_fields(self.type, self.message, self.data, self.stack_trace)

    def raise_as_operation_error(self, operation_error_cls: builtins.type[DurableOperationError]) -> NoReturn:
        """Raise it as the failure of an operation of that kind; a failed serdes as `SerDesError`."""
        cause = self.to_durable_operation_error()
        fields: dict[str, Any] = {
            "message": self.message,
            "error_type": self.type,
            "data": self.data,
            "stack_trace": self.stack_trace,
        }
        if self.type == qualified(SerDesError):
            raise SerDesError(**fields) from cause
        raise operation_error_cls(**fields) from cause
