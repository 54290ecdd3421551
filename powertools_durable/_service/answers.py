"""How the service reads a handler's answer (docs/contributing/protocol.md#invocation-output)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from powertools_durable._protocol.operation import ErrorObject, OperationStatus

__all__ = ["Ended", "judge"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended."""

    status: OperationStatus
    result: str | None = None
    error: ErrorObject | None = None


def judge(answer: object) -> Ended | None:
    """Return how the execution has ended; None when its handler suspended.

    Parameters
    ----------
    answer : object
        What the handler returned. A malformed answer ends the execution too.
    """
    match answer:
        case {"Status": "PENDING"}:
            return None
        case {"Status": "SUCCEEDED", **rest} if rest.get("Error") is not None:
            return _malformed("Cannot provide an Error for SUCCEEDED status.")
        case {"Status": "SUCCEEDED", "Result": str() as result}:
            return Ended(OperationStatus.SUCCEEDED, result=result)
        case {"Status": "SUCCEEDED"}:
            return _malformed("Invalid Result in invocation output.")
        case {"Status": "FAILED", **rest} if rest.get("Result") is not None:
            return _malformed("Cannot provide a Result for FAILED status.")
        case {"Status": "FAILED", **rest}:
            return Ended(OperationStatus.FAILED, error=_error(rest.get("Error")))
        case _:
            return _malformed("Invalid Status in invocation output.")


def _malformed(message: str) -> Ended:
    error = ErrorObject(error_type="InvalidParameterValueException", error_message=message)
    return Ended(OperationStatus.FAILED, error=error)


def _error(wire: object) -> ErrorObject:
    if not isinstance(wire, Mapping):
        return ErrorObject()
    stack = wire.get("StackTrace")
    return ErrorObject(
        error_message=wire.get("ErrorMessage"),
        error_type=wire.get("ErrorType"),
        error_data=wire.get("ErrorData"),
        stack_trace=tuple(stack) if stack else None,
    )
