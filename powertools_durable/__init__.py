"""Write AWS Lambda durable functions in Python, in the manner of Powertools for AWS Lambda.

Importing this package loads nothing heavy: what needs pydantic, boto3 or Powertools is loaded with `durable`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powertools_durable._contexts.async_context import AsyncCallback, AsyncDurableContext
    from powertools_durable._contexts.blocking import Callback, DurableContext
    from powertools_durable._operations.compensation import CompensationItem, CompensationResult
    from powertools_durable._operations.semantics import Nesting, StepSemantics
    from powertools_durable._runtime.durable_task import DurableTask
    from powertools_durable.batch import BatchItem, BatchResult
    from powertools_durable.completion import Completion
    from powertools_durable.config import DurableConfig
    from powertools_durable.decorator import DurableFunction, durable
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
        NonDeterminismError,
        OperationCancelledError,
        OperationError,
        SerDesError,
        StepError,
        StepInterruptedError,
        StepTimeoutError,
        SuspendExecution,
        ValidationError,
        WaitForConditionError,
    )
    from powertools_durable.retry import Polling, Retry
    from powertools_durable.scope import ExecutionMode, current_scope, current_step, current_step_or_none

    __version__: str

_HOME = {
    "AsyncCallback": "_contexts.async_context",
    "AsyncDurableContext": "_contexts.async_context",
    "DurableTask": "_runtime.durable_task",
    "Callback": "_contexts.blocking",
    "DurableContext": "_contexts.blocking",
    "CompensationItem": "_operations.compensation",
    "CompensationResult": "_operations.compensation",
    "Nesting": "_operations.semantics",
    "StepSemantics": "_operations.semantics",
    "BatchItem": "batch",
    "BatchResult": "batch",
    "Completion": "completion",
    "DurableConfig": "config",
    "DurableFunction": "decorator",
    "durable": "decorator",
    "Retry": "retry",
    "Polling": "retry",
    "ExecutionMode": "scope",
    "current_scope": "scope",
    "current_step": "scope",
    "current_step_or_none": "scope",
    "BatchError": "errors",
    "CallbackError": "errors",
    "CallbackExternalError": "errors",
    "CallbackSubmitterError": "errors",
    "CallbackTimeoutError": "errors",
    "ChildContextError": "errors",
    "CompensationError": "errors",
    "DurableError": "errors",
    "InvokeError": "errors",
    "OperationCancelledError": "errors",
    "OperationError": "errors",
    "StepError": "errors",
    "StepInterruptedError": "errors",
    "StepTimeoutError": "errors",
    "NonDeterminismError": "errors",
    "SerDesError": "errors",
    "SuspendExecution": "errors",
    "ValidationError": "errors",
    "WaitForConditionError": "errors",
}

__all__ = [
    "AsyncCallback",
    "AsyncDurableContext",
    "BatchError",
    "BatchItem",
    "BatchResult",
    "Callback",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "ChildContextError",
    "CompensationError",
    "CompensationItem",
    "CompensationResult",
    "Completion",
    "DurableConfig",
    "DurableContext",
    "DurableError",
    "DurableFunction",
    "DurableTask",
    "ExecutionMode",
    "InvokeError",
    "Nesting",
    "NonDeterminismError",
    "OperationCancelledError",
    "OperationError",
    "Polling",
    "Retry",
    "SerDesError",
    "StepError",
    "StepInterruptedError",
    "StepSemantics",
    "StepTimeoutError",
    "SuspendExecution",
    "ValidationError",
    "WaitForConditionError",
    "__version__",
    "current_scope",
    "current_step",
    "current_step_or_none",
    "durable",
]


# Without a `__dir__`: what looks at each attribute of each module, as freezegun does, need not load all of it.
def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("powertools-durable")
        globals()[name] = value
        return value
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
