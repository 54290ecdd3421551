"""The events that GetDurableExecutionHistory returns (docs/contributing/protocol.md#history-events)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from powertools_durable._protocol.limits import MAX_TIMER_SECONDS
from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire

__all__ = ["HistoryEvent", "invocation_event", "record_event"]

HistoryEvent: TypeAlias = dict[str, Any]

_PREFIX = {
    OperationType.EXECUTION: "Execution",
    OperationType.CONTEXT: "Context",
    OperationType.STEP: "Step",
    OperationType.WAIT: "Wait",
    OperationType.CALLBACK: "Callback",
    OperationType.CHAINED_INVOKE: "ChainedInvoke",
}
_SUFFIX = {
    OperationStatus.STARTED: "Started",
    OperationStatus.SUCCEEDED: "Succeeded",
    OperationStatus.FAILED: "Failed",
    OperationStatus.CANCELLED: "Cancelled",
    OperationStatus.TIMED_OUT: "TimedOut",
    OperationStatus.STOPPED: "Stopped",
}
_GOOD = (OperationStatus.SUCCEEDED, OperationStatus.PENDING)


def record_event(
    record: Operation,
    update: OperationUpdate | None,
    now: datetime,
    *,
    result: str | None = None,
    error: ErrorObject | None = None,
) -> HistoryEvent | None:
    """Return the event for a change of *record*; None for one that has no event (a retry that became ready)."""
    if record.status is OperationStatus.READY:
        return None
    retried = record.status is OperationStatus.PENDING
    suffix = ("Failed" if record.error else "Succeeded") if retried else _SUFFIX.get(record.status)
    if suffix is None:
        return None
    kind = _PREFIX[record.type] + suffix
    result = result if result is not None else record.result
    details = _details(record, update, result, error or record.error)
    event = {
        "EventType": kind,
        "EventTimestamp": to_wire(now),
        "Id": record.id,
        "ParentId": record.parent_id,
        "Name": record.name,
        "SubType": record.sub_type,
        f"{kind}Details": details,
    }
    return {key: value for key, value in event.items() if value is not None}


def _details(
    record: Operation, update: OperationUpdate | None, result: str | None, error: ErrorObject | None
) -> dict[str, Any]:
    details: dict[str, Any] = {}
    match record.type:
        case OperationType.EXECUTION if record.status is OperationStatus.STARTED and record.execution_details:
            details["Input"] = _payload(record.execution_details.input_payload)
            details["ExecutionTimeout"] = MAX_TIMER_SECONDS  # nobody sets one here
        case OperationType.STEP if record.status is not OperationStatus.STARTED:
            retry = update.step_options if update is not None else None
            details["RetryDetails"] = {"CurrentAttempt": record.attempts}
            if retry is not None:
                details["RetryDetails"]["NextAttemptDelaySeconds"] = retry.next_attempt_delay_seconds
        case OperationType.WAIT if record.status is not OperationStatus.CANCELLED:
            details |= _wait(record)
        case OperationType.CALLBACK if record.status is OperationStatus.STARTED:
            details |= _callback(record, update)
        case OperationType.CHAINED_INVOKE if update is not None and update.chained_invoke_options:
            details |= to_wire(update.chained_invoke_options)
            details["Input"] = _payload(update.payload)
    if record.type is OperationType.WAIT or record.status is OperationStatus.STARTED:
        return details
    # [M] an end has one of the two, be it empty
    if error is None and record.status in _GOOD:
        details["Result"] = _payload(result)
    else:
        details["Error"] = _failure(error)
    return details


def _wait(record: Operation) -> dict[str, Any]:
    due = record.wait_details.scheduled_end_timestamp if record.wait_details else None
    if due is None or record.start_timestamp is None:
        return {}
    details: dict[str, Any] = {"Duration": round((due - record.start_timestamp).total_seconds())}
    if record.status is OperationStatus.STARTED:
        details["ScheduledEndTimestamp"] = to_wire(due)
    return details


def _callback(record: Operation, update: OperationUpdate | None) -> dict[str, Any]:
    options = update.callback_options if update is not None and update.action is OperationAction.START else None
    return {
        "CallbackId": record.callback_details.callback_id if record.callback_details else None,
        "Timeout": options.timeout_seconds if options else 0,
        "HeartbeatTimeout": options.heartbeat_timeout_seconds if options else 0,
    }


def invocation_event(began: datetime, ended: datetime, request_id: str, error: ErrorObject | None) -> HistoryEvent:
    """Return the event for the end of an invocation."""
    details: dict[str, Any] = {
        "StartTimestamp": to_wire(began),
        "EndTimestamp": to_wire(ended),
        "RequestId": request_id,
    }
    if error is not None:
        details["Error"] = _failure(error)
    return {
        "EventType": "InvocationCompleted",
        "EventTimestamp": to_wire(ended),
        "InvocationCompletedDetails": details,
    }


def _payload(text: str | None) -> dict[str, Any]:
    return {"Truncated": False} if text is None else {"Payload": text, "Truncated": False}


def _failure(error: ErrorObject | None) -> dict[str, Any]:
    return {"Truncated": False} if error is None else {"Payload": to_wire(error), "Truncated": False}
