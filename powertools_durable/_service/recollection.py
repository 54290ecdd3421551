"""Reads a history back into the records that its events tell of: `history.py` the other way round (protocol.md 18.2).

Takes what GetDurableExecutionHistory answers, whoever recorded it: moments as numbers, text or ``datetime``, events
in either order, kinds of events that are not known yet. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    ErrorObject,
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    WaitDetails,
)
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._protocol.wire import parse_timestamp

__all__ = ["Recollection", "UnreadableHistory", "recollect"]

_TYPES: Final = {
    "Execution": OperationType.EXECUTION,
    "Context": OperationType.CONTEXT,
    "Step": OperationType.STEP,
    "Wait": OperationType.WAIT,
    "Callback": OperationType.CALLBACK,
    "ChainedInvoke": OperationType.CHAINED_INVOKE,
}
_STATUSES: Final = {
    "Started": OperationStatus.STARTED,
    "Succeeded": OperationStatus.SUCCEEDED,
    "Failed": OperationStatus.FAILED,
    "Cancelled": OperationStatus.CANCELLED,
    "TimedOut": OperationStatus.TIMED_OUT,
    "Stopped": OperationStatus.STOPPED,
}
_KINDS: Final = {
    f"{prefix}{suffix}": (kind, status) for prefix, kind in _TYPES.items() for suffix, status in _STATUSES.items()
}
_ASK_AGAIN = "get it anew with IncludeExecutionData=true, or with `powertools-durable export`"


class UnreadableHistory(Exception):  # noqa: N818 - says what it is
    """There is no execution in it, or not all of it. The message holds no payload."""


@dataclass(slots=True)
class Recollection:
    """An execution as its history tells of it.

    Attributes
    ----------
    execution : Operation
        The execution's own record, as it was when it ran.
    operations : dict[str, Operation]
        Every other record as the last event left it, in the order of their start.
    order : dict[str, int]
        The number of the event that started each of them.
    targets : dict[str, ChainedInvokeOptions]
        What each chained invoke called: records do not hold it.
    status : str
        ``RUNNING``, or how the execution ended.
    """

    execution: Operation
    operations: dict[str, Operation] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    targets: dict[str, ChainedInvokeOptions] = field(default_factory=dict)
    status: str = "RUNNING"


def recollect(events: Iterable[Any], *, require_payloads: bool = True) -> Recollection:
    """Rebuild the records that *events* tell of.

    Parameters
    ----------
    events : Iterable
        Of one execution, all of them.
    require_payloads : bool
        Refuse a history that was got without its data.

    Raises
    ------
    UnreadableHistory
        Events are missing, malformed, or came without their payloads.
    """
    told = _in_order(list(events))
    if not told or told[0].get("EventType") != "ExecutionStarted":
        raise UnreadableHistory("a history begins with ExecutionStarted; this one does not: get all of its pages")
    if require_payloads:
        _require_payloads(told)
    found = Recollection(_execution(told[0]))
    for number, event in enumerate(told[1:], 2):
        kind, status = _KINDS.get(_text(event, "EventType"), (None, OperationStatus.STARTED))
        if kind is OperationType.EXECUTION:
            found.status = status.value
        elif kind is not None:
            _absorb(found, event, kind, status, number)
    return found


def _in_order(events: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    for event in events:
        if not isinstance(event, Mapping) or not isinstance(event.get("EventType"), str):
            raise UnreadableHistory("an event has no EventType; is this what GetDurableExecutionHistory answers?")
    if not all(type(event.get("EventId")) is int for event in events):
        return events
    told = sorted(events, key=lambda event: int(event["EventId"]))
    for wanted, event in enumerate(told, int(told[0]["EventId"]) if told else 1):
        if event["EventId"] < wanted:
            raise UnreadableHistory(f"event {wanted - 1} is in it twice: pages overlap, or are of several executions")
        if event["EventId"] > wanted:
            raise UnreadableHistory(f"event {wanted} is missing: get all pages of the history")
    return told


def _execution(event: Mapping[str, Any]) -> Operation:
    return Operation(
        id=_text(event, "Id") or "execution",
        type=OperationType.EXECUTION,
        status=OperationStatus.STARTED,
        name=event.get("Name"),
        start_timestamp=_moment(event),
        execution_details=ExecutionDetails(input_payload=_payload(event, "Input")),
    )


def _absorb(
    found: Recollection, event: Mapping[str, Any], kind: OperationType, status: OperationStatus, number: int
) -> None:
    identifier = _text(event, "Id")
    if not identifier:
        raise UnreadableHistory(f"event {number}, {event['EventType']}, has no Id")
    now = _moment(event)
    record = found.operations.get(identifier)
    if record is None:
        record = Operation(id=identifier, type=kind, status=status, start_timestamp=now)
        found.order[identifier] = number
    elif record.type is not kind:
        raise UnreadableHistory(f"event {number}, {event['EventType']}, is of an operation that began as another")
    record = replace(
        record,
        status=status,
        parent_id=event.get("ParentId") or record.parent_id,
        name=event.get("Name") or record.name,
        sub_type=event.get("SubType") or record.sub_type,
        end_timestamp=now if status.is_terminal else None,
    )
    if kind is OperationType.CHAINED_INVOKE and (function := _details(event).get("FunctionName")):
        options = ChainedInvokeOptions(function_name=function, tenant_id=_details(event).get("TenantId"))
        found.targets[identifier] = options
    found.operations[identifier] = _detailed(record, event, now)


def _detailed(record: Operation, event: Mapping[str, Any], now: datetime | None) -> Operation:
    result, error = _payload(event, "Result"), _error(event)
    match record.type:
        case OperationType.CONTEXT:
            return replace(record, context_details=ContextDetails(replay_children=False, result=result, error=error))
        case OperationType.STEP:
            return _step(record, event, now)
        case OperationType.WAIT:
            due = parse_timestamp(_details(event).get("ScheduledEndTimestamp"))
            known = record.wait_details.scheduled_end_timestamp if record.wait_details else None
            return replace(record, wait_details=WaitDetails(scheduled_end_timestamp=due or known))
        case OperationType.CALLBACK:
            answered = record.callback_details.callback_id if record.callback_details else None
            callback_id = _details(event).get("CallbackId") or answered
            return replace(
                record, callback_details=CallbackDetails(callback_id=callback_id, result=result, error=error)
            )
        case _:
            return replace(record, chained_invoke_details=ChainedInvokeDetails(result=result, error=error))


def _step(record: Operation, event: Mapping[str, Any], now: datetime | None) -> Operation:
    """A StepFailed or StepSucceeded that names a delay is no end: the step is tried again after it."""
    if record.status is OperationStatus.STARTED:
        return replace(record, step_details=StepDetails(attempt=record.attempts))
    retry = _details(event).get("RetryDetails") or {}
    details = StepDetails(
        attempt=retry.get("CurrentAttempt") or record.attempts + 1,
        result=_payload(event, "Result"),
        error=_error(event),
    )
    delay = retry.get("NextAttemptDelaySeconds")
    if not delay:
        return replace(record, step_details=details)
    due = now + timedelta(seconds=delay) if now is not None else None
    return replace(
        record,
        status=OperationStatus.PENDING,
        end_timestamp=None,
        step_details=replace(details, next_attempt_timestamp=due),
    )


# -- what an event holds -------------------------------------------------------------------------------------------


def _details(event: Mapping[str, Any]) -> Mapping[str, Any]:
    details = event.get(f"{event['EventType']}Details")
    return details if isinstance(details, Mapping) else {}


def _text(event: Mapping[str, Any], key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _moment(event: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_timestamp(event.get("EventTimestamp"))
    except ValueError as problem:
        raise UnreadableHistory(f"{event['EventType']}: {problem}") from None


def _payload(event: Mapping[str, Any], key: str) -> str | None:
    wrapped = _details(event).get(key)
    value = wrapped.get("Payload") if isinstance(wrapped, Mapping) else wrapped
    return value if isinstance(value, str) else None


def _error(event: Mapping[str, Any]) -> ErrorObject | None:
    wrapped = _details(event).get("Error")
    wire = wrapped.get("Payload") if isinstance(wrapped, Mapping) else None
    if not isinstance(wire, Mapping):
        return None
    stack = wire.get("StackTrace")
    return ErrorObject(
        error_message=wire.get("ErrorMessage"),
        error_type=wire.get("ErrorType"),
        error_data=wire.get("ErrorData"),
        stack_trace=tuple(stack) if stack else None,
    )


def _require_payloads(events: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what was cut short or left out: code that reads other values than before can't be judged.

    Told apart from an operation without a result: a step's and a context's result is text, be it ``null``, so a
    history without any was got without its data.
    """
    cut = [_named(event) for event in events if _is_cut(event)]
    if cut:
        more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
        raise UnreadableHistory(f"payloads of {', '.join(cut[:3])}{more} are truncated in this history: {_ASK_AGAIN}")
    results = [event for event in events if event["EventType"] in {"StepSucceeded", "ContextSucceeded"}]
    if results and not any(_payload(event, key) is not None for event in events for key in ("Result", "Input")):
        raise UnreadableHistory(f"this history has no payloads: {_ASK_AGAIN}")


def _is_cut(event: Mapping[str, Any]) -> bool:
    """Tell whether a payload that the code will read is not all there.

    An error that is there counts as whole: the official emulator marks every other one as truncated that is not.
    """
    kind, details = event["EventType"], _details(event)
    # Nobody reads again how the execution ended, nor what was sent to a function.
    if kind in {"InvocationCompleted", "ChainedInvokeStarted"} or (
        kind.startswith("Execution") and kind != "ExecutionStarted"
    ):
        return False
    cut = {key for key in ("Input", "Result", "Error") if _says_truncated(details.get(key))}
    return bool(cut - {"Error"}) or ("Error" in cut and _error(event) is None)


def _says_truncated(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("Truncated") is True


def _named(event: Mapping[str, Any]) -> str:
    if event["EventType"] == "ExecutionStarted":
        return "the execution's input"
    return repr(event.get("Name") or _text(event, "Id")[:8])
