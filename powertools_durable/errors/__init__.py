"""Every exception a user may meet::

    DurableError
    ├── OperationError                      an operation failed: catch it, compensate, or let the execution fail
    │   ├── StepError
    │   │   ├── StepTimeoutError
    │   │   └── StepInterruptedError
    │   ├── CallbackError
    │   │   ├── CallbackExternalError
    │   │   ├── CallbackTimeoutError
    │   │   └── CallbackSubmitterError
    │   ├── InvokeError
    │   ├── ChildContextError
    │   ├── WaitForConditionError
    │   ├── BatchError
    │   ├── OperationCancelledError
    │   └── CompensationError
    ├── ValidationError                     the program is wrong: fix the code
    ├── SerDesError
    │   └── RetryableSerDesError
    ├── PayloadTooLargeError
    ├── PayloadValidationError
    ├── PayloadModelChangedError
    ├── NonDeterminismError
    ├── NotADurableInvocationError
    ├── DecoratorOrderError
    ├── DurableConfigError
    ├── RetryInvocation                     not an error: ask for another invocation
    ├── InvalidStateError                   the engine is wrong: report it
    └── BackendError                        the service refused: never passes through user code
    SuspendExecution (a BaseException)      not an error: leave it alone

An operation's failure is written down by `recording.to_error_object` and comes back through `rebuilding.rebuild`, on
the first run as on every replay, so ``except StepError`` sees the same thing each time. Only classes of this file are
ever made from a record; a user's class is never imported because of data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from powertools_durable.errors.suspension import SuspendExecution

__all__ = [
    "BackendError",
    "BatchError",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "ChildContextError",
    "CompensationError",
    "DecoratorOrderError",
    "DurableConfigError",
    "DurableError",
    "InvalidStateError",
    "InvokeError",
    "NonDeterminismError",
    "NotADurableInvocationError",
    "OperationCancelledError",
    "OperationError",
    "PayloadModelChangedError",
    "PayloadTooLargeError",
    "PayloadValidationError",
    "RetryInvocation",
    "RetryableSerDesError",
    "SerDesError",
    "StepError",
    "StepInterruptedError",
    "StepTimeoutError",
    "SuspendExecution",
    "ValidationError",
    "WaitForConditionError",
]

M = TypeVar("M")
_ID_LENGTH = 64  # of an operation without a name, of which the first 8 characters are shown


class DurableError(Exception):
    """Root of this package's errors.

    Attributes
    ----------
    code : str
        A stable name for programs to test; it does not change when a class is renamed.
    contestant : str | int | None
        The key of the contestant whose failure won a race; None in every other failure. `AsyncDurableContext.race` sets
        it on an exception of any other class too.
    """

    code: ClassVar[str] = "DURABLE"
    contestant: str | int | None = None


class OperationError(DurableError):
    """An operation failed, and this is what its record says.

    Parameters
    ----------
    message : str
        The message of the failure itself, without any prefix.
    error_type : str | None
        Name of the class that was raised where it happened: ``ValueError``, ``orders.OutOfStock``.
    data : str | None
        What the failing side attached, as text.
    stack_trace : Sequence[str]
        Where it was raised, as ``shop.py:12 in load``; with `DurableConfig(stack_traces=True)` the lines around too.
    operation : str | None
        The operation's name, or its id when it has none.
    """

    code = "AWS_SDK_OPERATION"
    _kind: ClassVar[str] = "operation"

    def __init__(
        self,
        message: str = "",
        *,
        error_type: str | None = None,
        data: str | None = None,
        stack_trace: Sequence[str] = (),
        operation: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type or type(self).__name__
        self.data = data
        self.stack_trace = tuple(stack_trace)
        self.operation = operation
        self._attempts: int | None = None

    def describe(self) -> str:
        """Say whose failure it is: ``step 'charge' failed after 3 attempts: KeyError: 'sku'``.

        ``str(error)`` is the message alone, because that is what is recorded when the error leaves a context.

        Returns
        -------
        str
            Kind and name of the operation, the attempts when there were several, the class and the message.
        """
        name = self.operation or ""
        shown = f" {name!r}" if name else ""
        if len(name) == _ID_LENGTH and name.isalnum():
            shown = f" {name[:8]}"
        attempts = f" after {self._attempts} attempts" if (self._attempts or 0) > 1 else ""
        message = f": {self.message}" if self.message else ""
        return f"{self._kind}{shown} failed{attempts}: {self.error_type}{message}"

    def named(self, operation: str | None, attempts: int | None = None) -> Self:
        """Say which operation failed, and after how many attempts; tracebacks show it as a note."""
        self.operation = operation
        self._attempts = attempts
        self.__notes__ = [self.describe()]
        return self

    def data_as(self, model: type[M]) -> M:
        """Read `data` as a model.

        Parameters
        ----------
        model : type
            Anything pydantic can build a schema for: a model, a dataclass, ``dict[str, int]``.

        Returns
        -------
        M
            The value that the failing code put into its exception's ``data`` attribute.

        Raises
        ------
        SerDesError
            There is no data, or it is not what *model* asks for.
        """
        from powertools_durable.errors.typed_data import read_data  # loads pydantic

        return read_data(self, model)


class StepError(OperationError):
    """A step failed and its retry policy gave up."""

    code = "STEP_FAILED"
    _kind = "step"


class StepTimeoutError(StepError):
    """A step's body ran longer than its ``timeout``."""

    code = "STEP_TIMEOUT"


class StepInterruptedError(StepError):
    """An invocation died inside the body of an at-most-once step."""

    code = "STEP_INTERRUPTED"


class CallbackError(OperationError):
    """A callback failed."""

    code = "CALLBACK_FAILED"
    _kind = "callback"


class CallbackExternalError(CallbackError):
    """The outside system answered with a failure."""


class CallbackTimeoutError(CallbackError):
    """Nobody answered, or gave a heartbeat, in time."""

    code = "CALLBACK_TIMEOUT"


class CallbackSubmitterError(CallbackError):
    """The function that should hand out the callback id failed."""

    code = "CALLBACK_SUBMITTER_FAILED"


class InvokeError(OperationError):
    """An invoked function failed, timed out or was stopped."""

    code = "INVOKE_FAILED"
    _kind = "invoke"


class ChildContextError(OperationError):
    """The function of a child context, a branch or an item failed."""

    code = "CHILD_CONTEXT_FAILED"
    _kind = "child context"


class WaitForConditionError(OperationError):
    """A condition's check failed, or was not met in the given number of attempts."""

    code = "WAIT_FOR_CONDITION_FAILED"
    _kind = "wait_for_condition"


class BatchError(OperationError):
    """A map or parallel failed: more of its items than were tolerated, or its own rule said so.

    Attributes
    ----------
    succeeded : Sequence[BatchItem]
        The items that succeeded all the same; empty when the error was read from a record.
    """

    code = "PARALLEL_FAILED"
    _kind = "batch"
    succeeded: Sequence[Any] = ()


class OperationCancelledError(OperationError):
    """A step or context was cancelled, because another contestant won the race that it was in."""


class CompensationError(OperationError):
    """A compensation failed after the error it should have made good.

    Attributes
    ----------
    result : object
        The `CompensationResult` with every compensation's outcome.
    """

    code = "COMPENSATION_FAILED"
    _kind = "compensation"
    result: object = None


class ValidationError(DurableError):
    """A durable call was made wrongly; nothing was recorded."""

    code = "VALIDATION"


class SerDesError(DurableError):
    """A value can't be written, or a text can't be read."""

    code = "SERIALIZATION"


class RetryableSerDesError(SerDesError):
    """A custom serdes asks for another invocation, for instance because its storage is away."""


class PayloadTooLargeError(DurableError):
    """A value is larger than the service takes."""

    code = "PAYLOAD_TOO_LARGE"


class PayloadValidationError(DurableError):
    """The execution's input does not fit the handler's model. Says where, never what was sent.

    Attributes
    ----------
    data : str | None
        JSON text: the model's name and, for each error, its type, place and message.
    """

    code = "PAYLOAD_VALIDATION"

    def __init__(self, message: str, *, data: str | None = None) -> None:
        super().__init__(message)
        self.data = data


class PayloadModelChangedError(PayloadValidationError):
    """A running execution's input does not fit the model that is deployed now."""

    code = "PAYLOAD_MODEL_CHANGED"


class NonDeterminismError(DurableError):
    """The code asks for another operation than the one recorded at this place.

    Attributes
    ----------
    operation : str
        The operation asked for, as ``step 'charge' (#3)``.
    recorded, asked : Mapping[str, str | None]
        The fields that differ.
    location : str
        File and line of the call.
    """

    code = "REPLAY_MISMATCH"

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        recorded: Mapping[str, str | None] | None = None,
        asked: Mapping[str, str | None] | None = None,
        location: str = "",
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.recorded = dict(recorded or {})
        self.asked = dict(asked or {})
        self.location = location


class NotADurableInvocationError(DurableError):
    """Lambda invoked the function as an ordinary one."""

    code = "NOT_DURABLE"


class DecoratorOrderError(DurableError):
    """A decorator above ``@durable`` replaced the event."""

    code = "DECORATOR_ORDER"


class DurableConfigError(DurableError):
    """``@durable``, a retry policy or a setting is wrong; raised when the module loads."""

    code = "CONFIG"


class InvalidStateError(DurableError):
    """The engine's own invariant does not hold: a bug here, or a service that broke its contract."""

    code = "INVALID_STATE"


class RetryInvocation(DurableError):  # noqa: N818 - a request, not an error
    """Raise it to end this invocation and have Lambda make another: nothing fails, and nothing is recorded.

    It passes through steps, child contexts and fan-outs. The next invocation runs an unfinished step again. For an
    at-most-once step that attempt counts as interrupted: the next invocation records `StepInterruptedError`.
    """

    code = "RETRY_INVOCATION"


class BackendError(DurableError):
    """The service refused a call. The engine handles it; user code never sees it.

    Attributes
    ----------
    retryable : bool
        Another invocation may succeed.
    throttled : bool
        The service asked to slow down.
    stale_token : bool
        Another invocation has taken over: not one more call may be made.
    """

    code = "CHECKPOINT_FAILED"

    def __init__(self, message: str, *, retryable: bool, throttled: bool = False, stale_token: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.throttled = throttled
        self.stale_token = stale_token
