"""What plug-ins of the official SDK are made of, as ``aws_durable_execution_sdk_python.plugin`` has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.lambda_service import ErrorObject, OperationStatus

__all__ = [
    "DurableInstrumentationPlugin",
    "DurableInstrumentationPluginFactory",
    "ErrorObject",
    "InvocationEndInfo",
    "InvocationInfo",
    "InvocationStartInfo",
    "InvocationStatus",
    "OperationChangeInfo",
    "OperationEndInfo",
    "OperationInfo",
    "OperationStartInfo",
    "OperationStatus",
    "OperationType",
    "PropagationInput",
    "PropagationMetadata",
    "UserFunctionEndInfo",
    "UserFunctionOutcome",
    "UserFunctionStartInfo",
]
__getattr__ = elsewhere(
    __name__,
    {
        "lambda_service": "OperationAction",
        "types": "LambdaContext",
    },
)


class InvocationStatus(Enum):
    """How an invocation ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    RETRY = "RETRY"


class OperationType(Enum):
    """What an operation is."""

    EXECUTION = "EXECUTION"
    CONTEXT = "CONTEXT"
    STEP = "STEP"
    WAIT = "WAIT"
    CALLBACK = "CALLBACK"
    CHAINED_INVOKE = "CHAINED_INVOKE"


class UserFunctionOutcome(Enum):
    """How a function of the user's ended; incomplete when the execution was suspended in it."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"

    @classmethod
    def from_error(cls, error: ErrorObject | None) -> UserFunctionOutcome:
        """Return whether there was an error."""
        return cls.SUCCEEDED if error is None else cls.FAILED


@dataclass(frozen=True)
class OperationInfo:
    """An operation, or its record."""

    operation_id: str
    operation_type: OperationType
    sub_type: str | None
    name: str | None
    parent_id: str | None
    start_time: datetime | None
    is_replayed: bool
    status: OperationStatus
    end_time: datetime | None = field(default=None, kw_only=True)
    result: str | None = field(default=None, kw_only=True, repr=False, compare=False, hash=False)
    error: ErrorObject | None = field(default=None, kw_only=True)
    attempt: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class OperationStartInfo(OperationInfo):
    """An operation that begins."""


@dataclass(frozen=True)
class OperationEndInfo(OperationInfo):
    """An operation that has ended."""


@dataclass(frozen=True)
class OperationChangeInfo:
    """Records that have changed."""

    execution_arn: str | None
    updated_operations: dict[str, OperationInfo]
    operations: dict[str, OperationInfo]


@dataclass(frozen=True)
class UserFunctionStartInfo(OperationInfo):
    """A function of the user's that begins."""

    is_replay_children: bool = False


@dataclass(frozen=True)
class UserFunctionEndInfo(OperationInfo):
    """A function of the user's that has ended."""

    is_replay_children: bool
    outcome: UserFunctionOutcome


@dataclass(frozen=True)
class InvocationInfo:
    """One call of the Lambda function."""

    request_id: str | None
    execution_arn: str | None
    is_first_invocation: bool
    execution_start_time: datetime | None = None
    execution_input: Any = field(default=None, kw_only=True, repr=False, compare=False, hash=False)
    operations: dict[str, OperationInfo] = field(
        default_factory=dict, kw_only=True, repr=False, compare=False, hash=False
    )


@dataclass(frozen=True)
class InvocationStartInfo(InvocationInfo):
    """An invocation that begins."""

    updated_operations: dict[str, OperationInfo] = field(
        default_factory=dict, kw_only=True, repr=False, compare=False, hash=False
    )


@dataclass(frozen=True)
class InvocationEndInfo(InvocationInfo):
    """An invocation that has ended."""

    status: InvocationStatus = field(kw_only=True)
    error: ErrorObject | None = field(default=None)
    execution_result: str | None = field(default=None, kw_only=True, repr=False, compare=False, hash=False)


@dataclass(frozen=True)
class PropagationInput:
    """Another function that is about to be invoked."""

    execution_arn: str
    operation_id: str
    target_function_name: str
    parent_operation_id: str | None = None


@dataclass(frozen=True)
class PropagationMetadata:
    """What is passed on to it."""

    x_amzn_trace_id: str | None = None


class DurableInstrumentationPlugin:
    """Has a method for each moment; all do nothing. What they raise is logged and ignored."""

    def provide_propagation_metadata(self, info: PropagationInput) -> PropagationMetadata | None:  # noqa: ARG002
        """Return the trace header for a function that is about to be invoked."""
        return None

    def on_invocation_start(self, info: InvocationStartInfo) -> None:
        """The handler is about to run."""

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """The invocation has ended."""

    def on_operation_start(self, info: OperationStartInfo) -> None:
        """An operation begins, or is met again and is not over."""

    def on_operation_end(self, info: OperationEndInfo) -> None:
        """An operation has ended."""

    def on_operation_change(self, info: OperationChangeInfo) -> None:
        """Records have changed."""

    def on_user_function_start(self, info: UserFunctionStartInfo) -> None:
        """A function of the user's is about to run, on this thread."""

    def on_user_function_end(self, info: UserFunctionEndInfo) -> None:
        """It has ended."""


class DurableInstrumentationPluginFactory(Protocol):
    """Makes the plug-in of an invocation."""

    def create_plugin(self, info: InvocationStartInfo, /) -> DurableInstrumentationPlugin:
        """Return the plug-in."""
        ...
