"""What user code is given, as ``aws_durable_execution_sdk_python.types`` has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from powertools_durable.compat.aws.concurrency.models import BatchResult

if TYPE_CHECKING:
    from powertools_durable.compat.aws.context import DurableContext

__all__ = [
    "BatchResult",
    "Callback",
    "DurableContext",
    "DurableExecutionArn",
    "LambdaContext",
    "LoggerInterface",
    "OperationContext",
    "StepContext",
    "SummaryGenerator",
    "WaitForCallbackContext",
    "WaitForConditionCheckContext",
]

C_co = TypeVar("C_co", covariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


def __getattr__(name: str) -> Any:
    """Return `DurableContext`, whose module imports this one."""
    if name == "DurableContext":
        from powertools_durable.compat.aws.context import DurableContext

        return DurableContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class LoggerInterface(Protocol):
    """What a logger has to offer."""

    def debug(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at DEBUG."""

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at INFO."""

    def warning(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at WARNING."""

    def error(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at ERROR."""

    def exception(self, msg: object, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Log at ERROR with a traceback."""


@dataclass(frozen=True)
class OperationContext:
    """What the functions of operations are given."""

    logger: LoggerInterface


@dataclass(frozen=True)
class StepContext(OperationContext):
    """What a step's function is given; ``attempt`` is 1 for the first attempt."""

    attempt: int


@dataclass(frozen=True)
class WaitForCallbackContext(OperationContext):
    """What a submitter is given."""


@dataclass(frozen=True)
class WaitForConditionCheckContext(OperationContext):
    """What a check is given; ``attempt`` is 1 for the first check."""

    attempt: int


class Callback(Protocol, Generic[C_co]):
    """An id that an external system can answer, and the answer."""

    callback_id: str

    def result(self) -> C_co | None:
        """Return the answer; suspend the execution until there is one."""


class LambdaContext(Protocol):
    """What Lambda gives a handler."""

    aws_request_id: str
    log_group_name: str | None = None
    log_stream_name: str | None = None
    function_name: str | None = None
    memory_limit_in_mb: str | None = None
    function_version: str | None = None
    invoked_function_arn: str | None = None
    tenant_id: str | None = None
    client_context: Any | None = None
    identity: Any | None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        ...

    def log(self, msg: Any) -> None:
        """Write a line to the log."""


class SummaryGenerator(Protocol[C_contra]):
    """Writes what is recorded of a result that is too large."""

    def __call__(self, result: C_contra) -> str:
        """Return the text."""
        ...


_ARN = re.compile(r"arn:[^:]*:lambda:[^:]*:[^:]*:function:([^:/]+):[^:/]+/durable-execution/([^/]+)/([^/]+)")


@dataclass(frozen=True)
class DurableExecutionArn:
    """The parts of an execution's ARN."""

    function_name: str
    execution_name: str
    invocation_id: str

    @classmethod
    def from_arn(cls, arn: str) -> DurableExecutionArn | None:
        """Read an ARN; None if it is that of something else."""
        parts = _ARN.fullmatch(arn)
        return None if parts is None else cls(*parts.groups())
