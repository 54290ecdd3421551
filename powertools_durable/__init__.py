"""Write AWS Lambda durable functions in Python, in the manner of Powertools for AWS Lambda.

Importing this package loads nothing heavy: what needs pydantic, boto3 or Powertools is loaded with `durable`.
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable._contexts.async_context import AsyncCallback as AsyncCallback
    from powertools_durable._contexts.async_context import AsyncDurableContext as AsyncDurableContext
    from powertools_durable._contexts.blocking import Callback as Callback
    from powertools_durable._contexts.blocking import DurableContext as DurableContext
    from powertools_durable._operations.compensation import CompensationItem as CompensationItem
    from powertools_durable._operations.compensation import CompensationResult as CompensationResult
    from powertools_durable._operations.semantics import Nesting as Nesting
    from powertools_durable._operations.semantics import StepSemantics as StepSemantics
    from powertools_durable._runtime.durable_task import DurableTask as DurableTask
    from powertools_durable._version import __version__ as __version__
    from powertools_durable.batch import BatchItem as BatchItem
    from powertools_durable.batch import BatchResult as BatchResult
    from powertools_durable.completion import Completion as Completion
    from powertools_durable.config import DurableConfig as DurableConfig
    from powertools_durable.decorator import DurableFunction as DurableFunction
    from powertools_durable.decorator import durable as durable
    from powertools_durable.errors import BatchError as BatchError
    from powertools_durable.errors import CallbackError as CallbackError
    from powertools_durable.errors import CallbackExternalError as CallbackExternalError
    from powertools_durable.errors import CallbackSubmitterError as CallbackSubmitterError
    from powertools_durable.errors import CallbackTimeoutError as CallbackTimeoutError
    from powertools_durable.errors import ChildContextError as ChildContextError
    from powertools_durable.errors import CompensationError as CompensationError
    from powertools_durable.errors import DurableError as DurableError
    from powertools_durable.errors import InvokeError as InvokeError
    from powertools_durable.errors import NonDeterminismError as NonDeterminismError
    from powertools_durable.errors import OperationCancelledError as OperationCancelledError
    from powertools_durable.errors import OperationError as OperationError
    from powertools_durable.errors import SerDesError as SerDesError
    from powertools_durable.errors import StepError as StepError
    from powertools_durable.errors import StepInterruptedError as StepInterruptedError
    from powertools_durable.errors import StepTimeoutError as StepTimeoutError
    from powertools_durable.errors import SuspendExecution as SuspendExecution
    from powertools_durable.errors import ValidationError as ValidationError
    from powertools_durable.errors import WaitForConditionError as WaitForConditionError
    from powertools_durable.retry import Polling as Polling
    from powertools_durable.retry import Retry as Retry
    from powertools_durable.scope import ExecutionMode as ExecutionMode
    from powertools_durable.scope import current_scope as current_scope
    from powertools_durable.scope import current_step as current_step
    from powertools_durable.scope import current_step_or_none as current_step_or_none
else:
    __all__, __getattr__ = lazy(
        __name__,
        {
            "_contexts.async_context": "AsyncCallback AsyncDurableContext",
            "_contexts.blocking": "Callback DurableContext",
            "_operations.compensation": "CompensationItem CompensationResult",
            "_operations.semantics": "Nesting StepSemantics",
            "_runtime.durable_task": "DurableTask",
            "_version": "__version__",
            "batch": "BatchItem BatchResult",
            "completion": "Completion",
            "config": "DurableConfig",
            "decorator": "DurableFunction durable",
            "errors": (
                "BatchError CallbackError CallbackExternalError CallbackSubmitterError CallbackTimeoutError "
                "ChildContextError CompensationError DurableError InvokeError NonDeterminismError "
                "OperationCancelledError OperationError SerDesError StepError StepInterruptedError "
                "StepTimeoutError SuspendExecution ValidationError WaitForConditionError"
            ),
            "retry": "Polling Retry",
            "scope": "ExecutionMode current_scope current_step current_step_or_none",
        },
    )

if _os.environ.get("POWERTOOLS_DURABLE_COMPAT"):  # existing handlers and libraries import the names of another SDK
    from powertools_durable.compat.installing import install_named

    install_named(_os.environ["POWERTOOLS_DURABLE_COMPAT"])
