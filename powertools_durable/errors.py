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
    ├── InvalidStateError                   the engine is wrong: report it
    └── BackendError                        the service refused: never passes through user code
    SuspendExecution (a BaseException)      not an error: leave it alone

An operation's failure is written down as an `ErrorObject` by `to_error_object` and comes back through
`rebuild`, on the first run as on every replay, so ``except StepError`` sees the same thing each time. Only
classes of this file are ever made from a record; a user's class is never imported because of data.
"""

from __future__ import annotations

import dataclasses
import json
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from powertools_durable._protocol.limits import MAX_ERROR_CHARACTERS
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import to_wire

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
    "OperationError",
    "PayloadModelChangedError",
    "PayloadTooLargeError",
    "PayloadValidationError",
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
E = TypeVar("E", bound="OperationError")


class DurableError(Exception):
    """Root of this package's errors.

    Attributes
    ----------
    code : str
        A stable name for programs to test; it does not change when a class is renamed.
    """

    code: ClassVar[str] = "DURABLE"


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
        Lines of the stack, when `DurableConfig(stack_traces=True)` recorded them.
    operation : str | None
        The operation's name, or its id when it has none.
    """

    code = "AWS_SDK_OPERATION"

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
        from pydantic import TypeAdapter
        from pydantic import ValidationError as PydanticValidationError

        if self.data is None:
            message = f"{type(self).__name__} of {self.operation!r} carries no data"
            raise SerDesError(message)
        try:
            return TypeAdapter(model).validate_json(self.data)
        except PydanticValidationError as error:
            message = f"the data of {self.operation!r} is not a {model!r}: {error.error_count()} errors"
            raise SerDesError(message) from None


class StepError(OperationError):
    """A step failed and its retry policy gave up."""

    code = "STEP_FAILED"


class StepTimeoutError(StepError):
    """A step's body ran longer than its ``timeout``."""

    code = "STEP_TIMEOUT"


class StepInterruptedError(StepError):
    """An invocation died inside the body of an at-most-once step."""

    code = "STEP_INTERRUPTED"


class CallbackError(OperationError):
    """A callback failed."""

    code = "CALLBACK_FAILED"


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


class ChildContextError(OperationError):
    """The function of a child context, a branch or an item failed."""

    code = "CHILD_CONTEXT_FAILED"


class WaitForConditionError(OperationError):
    """A condition's check failed, or was not met in the given number of attempts."""

    code = "WAIT_FOR_CONDITION_FAILED"


class BatchError(OperationError):
    """A map or parallel failed: more of its items than were tolerated, or its own rule said so.

    Attributes
    ----------
    succeeded : Sequence[BatchItem]
        The items that succeeded all the same; empty when the error was read from a record.
    """

    code = "PARALLEL_FAILED"
    succeeded: Sequence[Any] = ()


class CompensationError(OperationError):
    """A compensation failed after the error it should have made good.

    Attributes
    ----------
    result : object
        The `CompensationResult` with every compensation's outcome.
    """

    code = "COMPENSATION_FAILED"
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


class SuspendExecution(BaseException):
    """Ends this invocation to wait; the execution goes on later.

    Not for catching. ``except Exception`` lets it pass; if you must catch everything, let it through::

        except SuspendExecution:
            raise
        except BaseException:
            ...

    Attributes
    ----------
    until : datetime | None
        When the service will wake the execution; None when something outside must happen first.
    waits_for : tuple
        The operations that are waited for: handles with a ``status``.
    """

    # X-Ray reads these two: they keep a suspension from being recorded as a fault (powertools.md 3.5).
    _recorded: ClassVar[bool] = True
    _cause_id: ClassVar[str] = "5755a9e7d0000000"

    def __init__(self, until: datetime | None = None, waits_for: tuple[Any, ...] = ()) -> None:
        super().__init__(
            "the execution suspends to wait; this is no error. If you catch BaseException, put "
            "'except SuspendExecution: raise' before it"
        )
        self.until = until
        self.waits_for = waits_for


# -- from exception to record ------------------------------------------------------------------------------

_MESSAGE_BUDGET = 8_192
_STACK_BUDGET = 8_192
_DATA_BUDGET = MAX_ERROR_CHARACTERS // 2


def answer_error(error: Exception | ErrorObject | str) -> ErrorObject:
    """Return what a callback is failed with from outside; text is the message of an error without a type."""
    match error:
        case ErrorObject():
            return error
        case Exception():
            return to_error_object(error)
        case _:
            return ErrorObject(error_message=error or None)


def to_error_object(error: BaseException, *, stack_traces: bool = False) -> ErrorObject:
    """Write an exception down, within the limits of the service.

    The type is the bare class name for builtins and for the errors of this file, ``module.Qualname`` for a
    user's class (protocol.md 14.1). The message is cut, data that is too large is left out. Never raises.

    Parameters
    ----------
    error : BaseException
        What was raised.
    stack_traces : bool
        Also record the innermost lines of the stack, without values of variables.

    Returns
    -------
    ErrorObject
        At most 32,768 characters as JSON.
    """
    if isinstance(error, OperationError):
        stack: tuple[str, ...] | None = error.stack_trace or None
    else:
        stack = _stack(error) if stack_traces else None
    return ErrorObject(
        error_message=_cut(_message(error), _MESSAGE_BUDGET),
        error_type=_cut(_type_name(type(error)), 512),
        error_data=_data(error),
        stack_trace=stack,
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the user's __str__ may do anything
        text = f"<{type(error).__name__} whose __str__ raises>"
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates are not text


def _type_name(cls: type[BaseException]) -> str:
    if cls.__module__ in {"builtins", __name__}:
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def _data(error: BaseException) -> str | None:
    data: Any = getattr(error, "data", None)
    try:
        match data:
            case None:
                return None
            case str():
                text = data
            case _ if hasattr(data, "model_dump_json"):
                text = data.model_dump_json()
            case _ if dataclasses.is_dataclass(data) and not isinstance(data, type):
                text = json.dumps(dataclasses.asdict(data), default=str)
            case _:
                text = json.dumps(data)
        return text if len(json.dumps(text)) <= _DATA_BUDGET else None
    except Exception:  # noqa: BLE001 - an exception's odd attribute must not hide the exception
        return None


def _stack(error: BaseException) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)
    lines: list[str] = []
    room = _STACK_BUDGET
    for frame in reversed(frames):
        # Only the file's name: absolute paths tell an attacker about the build (reliability.md 5).
        line = f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}"
        room -= len(line) + 4
        if room < 0:
            break
        lines.append(line)
    return tuple(reversed(lines))


def _cut(text: str, budget: int) -> str:
    """Shorten *text* so that its JSON has at most *budget* characters."""
    if len(text) * 12 <= budget or len(json.dumps(text)) <= budget:
        return text
    low, high = 0, min(len(text), budget)
    while low < high:  # the longest prefix whose escaped form fits
        middle = (low + high + 1) // 2
        if len(json.dumps(text[:middle])) + 16 <= budget:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "… (cut)"


# -- from record to exception ------------------------------------------------------------------------------

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


def _our_name(error_type: str | None) -> str:
    """Read the official SDK's classes as ours (api.md 9)."""
    name = error_type or ""
    if not name.startswith(_OFFICIAL):
        return name
    name = name.rpartition(".")[2]
    return {"BatchCompletionError": "BatchError"}.get(name, name)


def rebuild(
    record: ErrorObject | None, cls: type[E], *, operation: str | None = None, foreign: bool = False
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
    foreign : bool
        Another program wrote the record, such as an invoked function: what it says of its values is not said of
        ours.

    Returns
    -------
    OperationError | SerDesError | PayloadTooLargeError
        *cls*, or a class of this file that the record names and that is more precise: a subclass of *cls*,
        or an error about the value itself. With ``__cause__`` when an operation further down failed.
    """
    record = record or ErrorObject()
    message = record.error_message or ""
    known = _REGISTRY.get(_our_name(record.error_type))
    if (known is SerDesError or known is PayloadTooLargeError) and not foreign:
        return known(message)
    if known is None or not issubclass(known, OperationError):
        return _filled(cls, record, operation)
    precise = known if issubclass(known, cls) else cls
    error = _filled(precise, record, operation)
    if precise is not known:
        error.__cause__ = _filled(known, record, None)
    return error


def _filled(cls: type[E], record: ErrorObject, operation: str | None) -> E:
    return cls(
        record.error_message or "",
        error_type=record.error_type,
        data=record.error_data,
        stack_trace=record.stack_trace or (),
        operation=operation,
    )


def error_size(error: ErrorObject) -> int:
    """Return the size of an error as JSON, in characters, as the service counts it."""
    return len(json.dumps(to_wire(error)))
