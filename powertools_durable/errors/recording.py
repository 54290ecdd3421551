"""From exception to record, within the limits of the service.

Whatever is read of a user's exception may raise, be huge, or be no text: the failure is recorded all the same, without
what could not be kept.
"""

from __future__ import annotations

import dataclasses
import json
import traceback
from typing import Any

from powertools_durable._protocol.limits import MAX_ERROR_CHARACTERS
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import to_wire
from powertools_durable.errors import OperationError, ValidationError
from powertools_durable.errors.places import place, raised_at, traceback_of
from powertools_durable.errors.validation import is_validation_error, words_of
from powertools_durable.errors.wording import class_name

__all__ = ["answer_error", "error_size", "raised_type", "recorded_type", "to_error_object"]

_MESSAGE_BUDGET = 8_192
_STACK_BUDGET = 8_192
_TYPE_BUDGET = 512
_DATA_BUDGET = MAX_ERROR_CHARACTERS // 2
_OWN = OperationError.__module__


def answer_error(error: Exception | ErrorObject | str) -> ErrorObject:
    """Return what a callback is failed with from outside; text is the message of an error without a type.

    Raises
    ------
    ValidationError
        It is something else.
    """
    given: object = error
    match given:
        case ErrorObject():
            return given
        case Exception():
            return to_error_object(given)
        case str() | None:
            return ErrorObject(error_message=given or None)
        case _:
            message = (
                f"fail() takes an exception, an ErrorObject or a text, not {class_name(given)}: "
                "fail(ErrorObject(error_type='Rejected', error_message='no'))"
            )
            raise ValidationError(message)


def to_error_object(
    error: BaseException,
    *,
    stack_traces: bool = False,
    include_input: bool = False,
    is_answer: bool = False,
    losses: list[str] | None = None,
) -> ErrorObject:
    """Write an exception down. Never raises.

    Parameters
    ----------
    error : BaseException
        What was raised.
    stack_traces : bool
        Record the innermost lines of the whole stack, without values of variables, in place of the one line of the
        user's code where it was raised.
    include_input : bool
        Let the message of a pydantic ``ValidationError`` repeat the values that were refused.
    is_answer : bool
        This is the execution's own end: its type is a bare class name.
    losses : list[str] | None
        Takes what can't be kept, each as text for a warning.

    Returns
    -------
    ErrorObject
        At most 32,768 characters as JSON.
    """
    lost = [] if losses is None else losses
    return ErrorObject(
        error_message=_message(error, lost, include_input=include_input),
        error_type=type_name(type(error)) if is_answer else recorded_type(error),
        error_data=_data(error, lost),
        stack_trace=_stack(error, lost, whole=stack_traces),
    )


def type_name(cls: type[BaseException]) -> str:
    """Return the bare class name for builtins, asyncio's and this package's errors, else ``module.Qualname``."""
    bare = cls.__module__ in {"builtins", "asyncio.exceptions", _OWN}
    return _cut(cls.__qualname__ if bare else f"{cls.__module__}.{cls.__qualname__}", _TYPE_BUDGET)


def raised_type(error: BaseException) -> str:
    """Return the name of the class that was raised at first, which an `OperationError` only passes on."""
    if isinstance(error, OperationError):
        kept = _read(error, "error_type", None)
        if kept and isinstance(kept, str):
            return _cut(_plain(kept), _TYPE_BUDGET)
    return type_name(type(error))


def recorded_type(error: BaseException) -> str:
    """Return the type as a record of an operation holds it: ``StepError(KeyError)`` for what a step failed with.

    A finished context comes without the records inside it, so its own record keeps both.
    """
    own, inner = type_name(type(error)), raised_type(error)
    wraps = type(error).__module__ == _OWN and inner != own
    return f"{own}({inner})" if wraps else own


# -- what may be odd in a user's exception ---------------------------------------------------------------------


def _message(error: BaseException, lost: list[str], *, include_input: bool) -> str:
    try:
        text = _plain(words_of(error) if is_validation_error(error) and not include_input else str(error))
    except Exception as broken:  # noqa: BLE001 - the user's __str__ may do anything
        lost.append(f"its message (__str__ raised {type(broken).__name__})")
        return f"<{type(error).__name__} whose __str__ raises>"
    if isinstance(error, BaseExceptionGroup):  # its own message only counts them
        members = (
            f"{raised_type(one)}: {_message(one, lost, include_input=include_input)}" for one in error.exceptions
        )
        text = f"{text}: {'; '.join(members)}"
    shown = _cut(text, _MESSAGE_BUDGET)
    if shown is not text:
        lost.append(f"the end of its message ({len(text):,} characters)")
    return shown


def _plain(text: str) -> str:
    """Return *text* as a `str` that can be sent: lone surrogates can't."""
    return str.encode(text, "utf-8", "replace").decode("utf-8")


def _read(error: BaseException, attribute: str, otherwise: Any) -> Any:
    try:
        return getattr(error, attribute, otherwise)
    except Exception:  # noqa: BLE001 - a property is the user's code
        return otherwise


def _data(error: BaseException, lost: list[str]) -> str | None:
    try:
        data: Any = getattr(error, "data", None)
    except Exception as broken:  # noqa: BLE001 - a property is the user's code
        lost.append(f"its data (reading 'data' raised {type(broken).__name__})")
        return None
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
        size = len(json.dumps(text := _plain(text)))
    except Exception as broken:  # noqa: BLE001 - an exception's odd attribute must not hide the exception
        lost.append(f"its data ({class_name(data)} that can't be written as JSON: {type(broken).__name__})")
        return None
    if size > _DATA_BUDGET:
        lost.append(f"its data ({size:,} characters, {_DATA_BUDGET:,} fit)")
        return None
    return text


def _stack(error: BaseException, lost: list[str], *, whole: bool) -> tuple[str, ...] | None:
    """Return where it was raised; of an operation's failure, where that says that it was."""
    try:
        if isinstance(error, OperationError) and error.stack_trace:
            return tuple(error.stack_trace)
        if whole:
            return _lines(error)
        innermost = raised_at(error)
    except Exception as broken:  # noqa: BLE001 - a file name of the user's that is no text
        lost.append(f"its place ({type(broken).__name__})")
        return None
    return (innermost,) if innermost else None


def _lines(error: BaseException) -> tuple[str, ...]:
    lines: list[str] = []
    room = _STACK_BUDGET
    for frame, number in reversed(list(traceback.walk_tb(traceback_of(error)))):
        line = place(frame, number)
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


def error_size(error: ErrorObject) -> int:
    """Return the size of an error as JSON, in characters, as the service counts it."""
    return len(json.dumps(to_wire(error)))
