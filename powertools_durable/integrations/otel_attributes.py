"""What spans tell, by the names of OpenTelemetry's semantic conventions; names of our own begin with ``durable.``.

No value of the user's code, token or callback id is an attribute. The message of an exception is one only if the user
asks for that, because it may hold anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from types import FrameType
from typing import Any, TypeAlias

from opentelemetry.trace import Span, StatusCode

from powertools_durable._functions import innermost
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors.places import Origin, origin_of, traceback_of, user_frames, without_folders
from powertools_durable.plugins import InvocationEnd, InvocationInfo, OperationInfo

__all__ = [
    "Attributes",
    "caller_attributes",
    "fail",
    "function_attributes",
    "invocation_attributes",
    "invocation_end_attributes",
    "invoked_attributes",
    "nanoseconds",
    "operation_attributes",
    "seconds_between",
]

Attributes: TypeAlias = "dict[str, str | bool | int | float]"

_LOOPS = frozenset({"asyncio.events", "asyncio.base_events"})
_FRAMES = 10  # of the user's own code, the innermost


def invocation_attributes(info: InvocationInfo, *, is_cold: bool) -> Attributes:
    """Return what is known of an invocation when it begins."""
    function_arn = info.execution_arn.partition("/durable-execution/")[0].split(":")
    attributes: Attributes = {
        "durable.execution.arn": info.execution_arn,
        "durable.execution.name": info.execution_name,
        "durable.invocation.first": info.is_first,
        "faas.coldstart": is_cold,
    }
    if info.request_id:
        attributes["faas.invocation_id"] = info.request_id
    if len(function_arn) > 6:  # arn:aws:lambda:eu-west-1:123456789012:function:orders:7
        attributes["faas.name"] = function_arn[6]
        attributes["cloud.account.id"] = function_arn[4]
        attributes["cloud.region"] = function_arn[3]
    for name, of_lambda in (("faas.version", "function_version"), ("aws.lambda.invoked_arn", "invoked_function_arn")):
        value = getattr(info.lambda_context, of_lambda, None)
        if isinstance(value, str) and value:
            attributes[name] = value
    return attributes


def invocation_end_attributes(info: InvocationEnd, counts: Mapping[str, int]) -> Attributes:
    """Return how an invocation ended, and what happened in it."""
    return {
        "durable.invocation.status": info.outcome,
        "durable.replay.operations": info.replayed,
        "durable.checkpoints": info.calls.checkpoints,
        **{f"durable.operations.{what}": count for what, count in counts.items()},
    }


def operation_attributes(info: OperationInfo) -> Attributes:
    """Return what identifies an operation."""
    attributes: Attributes = {
        "durable.execution.arn": info.execution_arn,
        "durable.operation.id": info.id,
        "durable.operation.type": str(info.type),
    }
    if info.sub_type:
        attributes["durable.operation.subtype"] = str(info.sub_type)
    if info.name:
        attributes["durable.operation.name"] = info.name
    return attributes


def invoked_attributes(function_name: str) -> Attributes:
    """Return what is known of a function that is invoked, by its name or ARN."""
    parts = function_name.split(":")
    is_arn = parts[0] == "arn" and len(parts) > 6
    attributes: Attributes = {"faas.invoked_name": parts[6] if is_arn else parts[0], "faas.invoked_provider": "aws"}
    if is_arn:
        attributes["faas.invoked_region"] = parts[3]
    return attributes


# -- code ------------------------------------------------------------------------------------------------------


def caller_attributes() -> Attributes:
    """Return the line of the user's code that makes the running durable call; empty where the stack shows none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to look at the stack
    while frame is not None and origin_of(frame) is not Origin.USER:
        if frame.f_globals.get("__name__") in _LOOPS:  # what lies below called the handler, not this operation
            return {}
        frame = frame.f_back
    if frame is None:
        return {}
    code, module = frame.f_code, frame.f_globals.get("__name__", "")
    return {
        "code.function.name": f"{module}.{code.co_qualname}",
        "code.file.path": without_folders(code.co_filename),
        "code.line.number": frame.f_lineno,
    }


def function_attributes(function: Callable[..., Any] | None) -> Attributes:
    """Return where a function of the user's stands; empty for one of this package."""
    if function is None:
        return {}
    written = innermost(function)
    module, code = getattr(written, "__module__", None) or "", getattr(written, "__code__", None)
    if module.partition(".")[0] == __name__.partition(".")[0] or code is None:
        return {}
    return {
        "code.function.name": f"{module}.{code.co_qualname}",
        "code.file.path": without_folders(code.co_filename),
        "code.line.number": code.co_firstlineno,
    }


# -- failures --------------------------------------------------------------------------------------------------


def fail(span: Span, exception: Exception | None, error: ErrorObject | None, *, with_message: bool) -> None:
    """Mark *span* as failed; with an exception, add the event for it."""
    recorded = error.error_type if error is not None else None
    name = _class_of(exception) if exception is not None else recorded or "Exception"
    span.set_attribute("error.type", name)
    message = str(exception) if exception is not None else (error.error_message if error is not None else None)
    span.set_status(StatusCode.ERROR, f"{name}: {message}" if with_message and message else name)
    if exception is None:
        return
    attributes: Attributes = {"exception.type": name}
    if with_message:
        attributes["exception.message"] = message or ""
    if stack := _stack_of(exception):
        attributes["exception.stacktrace"] = stack
    span.add_event("exception", attributes)


def _class_of(exception: Exception) -> str:
    cls = type(exception)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _stack_of(exception: Exception) -> str:
    """Return the lines of the user's code that *exception* passed, without the message that Python adds."""
    frames = list(user_frames(traceback_of(exception)))[-_FRAMES:]
    lines = [
        f'  File "{without_folders(f.f_code.co_filename)}", line {line}, in {f.f_code.co_name}' for f, line in frames
    ]
    return "\n".join(["Traceback (most recent call last):", *lines]) if lines else ""


# -- times -----------------------------------------------------------------------------------------------------


def nanoseconds(moment: datetime) -> int:
    """Return a time as spans have it, since 1970."""
    return int(moment.timestamp() * 1e6) * 1000


def seconds_between(began: datetime | None, ended: datetime | None) -> float | None:
    """Return how long something took; None where that is not recorded."""
    return None if began is None or ended is None else round((ended - began).total_seconds(), 3)
