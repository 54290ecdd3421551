"""Rebuilds the records of an execution from its history: the inverse of `history.py`.

Source: docs/contributing/protocol.md#history-events.

Accepts what GetDurableExecutionHistory returns, from any recorder: moments as numbers, text or ``datetime``, events in
either order, unknown kinds of events. Pure.
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
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    SubType,
    WaitDetails,
)
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._service.event_fields import (
    EVENTS,
    MalformedEvent,
    count_in,
    details_of,
    error_in,
    moment_in,
    payload_in,
    text_in,
)

__all__ = ["RecordedExecution", "UnreadableHistory", "in_order", "rebuild_execution"]

_WITHOUT_RESULT: Final = (SubType.PATCH, SubType.COMPENSATION)
_ASK_AGAIN = "get it again with IncludeExecutionData=true, or with `powertools-durable export`"


class UnreadableHistory(Exception):  # noqa: N818 - the name says it
    """A history that is malformed or incomplete. The message holds no payload."""


@dataclass(slots=True)
class RecordedExecution:
    """An execution, rebuilt from its history.

    Attributes
    ----------
    execution : Operation
        The execution's own record, as it was when it ran.
    operations : dict[str, Operation]
        Every other record as the last event left it, in the order of their start.
    order : dict[str, int]
        The number of the event that started each of them.
    targets : dict[str, ChainedInvokeOptions]
        What each chained invoke called, which its record does not say.
    status : str
        ``RUNNING``, or how the execution ended.
    """

    execution: Operation
    operations: dict[str, Operation] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    targets: dict[str, ChainedInvokeOptions] = field(default_factory=dict)
    status: str = "RUNNING"


def rebuild_execution(events: Iterable[Any], *, require_payloads: bool = True) -> RecordedExecution:
    """Rebuild an execution from *events*.

    Parameters
    ----------
    events : Iterable
        All events of one execution.
    require_payloads : bool
        Refuse a history that was fetched without its data.

    Raises
    ------
    UnreadableHistory
        Events are missing, malformed, or came without their payloads.
    """
    ordered = in_order(list(events))
    if not ordered or ordered[0].get("EventType") != "ExecutionStarted":
        raise UnreadableHistory("a history begins with ExecutionStarted; this one does not: get all of its pages")
    number, event = 1, ordered[0]
    try:
        if require_payloads:
            _require_payloads(ordered)
        recorded = RecordedExecution(_execution(event))
        for number, event in enumerate(ordered[1:], 2):
            kind, status = EVENTS.get(event["EventType"], (None, OperationStatus.STARTED))
            if kind is OperationType.EXECUTION:
                recorded.status = status.value
            elif kind is not None:
                _absorb(recorded, event, kind, status, number)
    except MalformedEvent as problem:
        raise UnreadableHistory(f"event {number}, {event['EventType'][:40]}: {problem}") from None
    return recorded


def in_order(events: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    """Return events in the order of their numbers; raise `UnreadableHistory` if one is missing or is no event."""
    for event in events:
        if not isinstance(event, Mapping) or not isinstance(event.get("EventType"), str):
            raise UnreadableHistory("an event has no EventType; is this what GetDurableExecutionHistory answers?")
    if not all(type(event.get("EventId")) is int for event in events):
        return events
    ordered = sorted(events, key=lambda event: int(event["EventId"]))
    for wanted, event in enumerate(ordered, int(ordered[0]["EventId"]) if ordered else 1):
        if event["EventId"] < wanted:
            raise UnreadableHistory(f"event {wanted - 1} is in it twice: pages overlap, or are of several executions")
        if event["EventId"] > wanted:
            raise UnreadableHistory(f"event {wanted} is missing: get all pages of the history")
    return ordered


def _execution(event: Mapping[str, Any]) -> Operation:
    return Operation(
        id=text_in(event, "Id") or "execution",
        type=OperationType.EXECUTION,
        status=OperationStatus.STARTED,
        name=text_in(event, "Name") or None,
        start_timestamp=moment_in(event),
        execution_details=ExecutionDetails(input_payload=payload_in(event, "Input")),
    )


def _absorb(
    recorded: RecordedExecution, event: Mapping[str, Any], kind: OperationType, status: OperationStatus, number: int
) -> None:
    identifier = text_in(event, "Id")
    if not identifier:
        raise MalformedEvent("it has no Id")
    now = moment_in(event)
    record = recorded.operations.get(identifier)
    if record is None:
        record = Operation(id=identifier, type=kind, status=status, start_timestamp=now)
        recorded.order[identifier] = number
    elif record.type is not kind:
        raise MalformedEvent("its operation started as one of another type")
    record = replace(
        record,
        status=status,
        parent_id=text_in(event, "ParentId") or record.parent_id,
        name=text_in(event, "Name") or record.name,
        sub_type=text_in(event, "SubType") or record.sub_type,
        end_timestamp=now if status.is_terminal else None,
    )
    if kind is OperationType.CHAINED_INVOKE and (function := text_in(details_of(event), "FunctionName")):
        options = ChainedInvokeOptions(function_name=function, tenant_id=text_in(details_of(event), "TenantId") or None)
        recorded.targets[identifier] = options
    recorded.operations[identifier] = _detailed(record, event, now)


def _detailed(record: Operation, event: Mapping[str, Any], now: datetime | None) -> Operation:
    result, error = payload_in(event, "Result"), error_in(event)
    match record.type:
        case OperationType.CONTEXT:
            return replace(record, context_details=ContextDetails(replay_children=False, result=result, error=error))
        case OperationType.STEP:
            return _step(record, event, now)
        case OperationType.WAIT:
            due = moment_in(details_of(event), "ScheduledEndTimestamp")
            known = record.wait_details.scheduled_end_timestamp if record.wait_details else None
            return replace(record, wait_details=WaitDetails(scheduled_end_timestamp=due or known))
        case OperationType.CALLBACK:
            answered = record.callback_details.callback_id if record.callback_details else None
            callback_id = text_in(details_of(event), "CallbackId") or answered
            return replace(
                record, callback_details=CallbackDetails(callback_id=callback_id, result=result, error=error)
            )
        case _:
            return replace(record, chained_invoke_details=ChainedInvokeDetails(result=result, error=error))


def _step(record: Operation, event: Mapping[str, Any], now: datetime | None) -> Operation:
    """A StepFailed or StepSucceeded with a delay does not end the step: it is retried after the delay."""
    if record.status is OperationStatus.STARTED:
        return replace(record, step_details=StepDetails(attempt=record.attempts))
    retry = details_of(event).get("RetryDetails")
    retry = retry if isinstance(retry, Mapping) else {}
    details = StepDetails(
        attempt=count_in(retry, "CurrentAttempt") or record.attempts + 1,
        result=payload_in(event, "Result"),
        error=error_in(event),
    )
    delay = count_in(retry, "NextAttemptDelaySeconds")
    if not delay:
        return replace(record, step_details=details)
    due = now + timedelta(seconds=delay) if now is not None else None
    return replace(
        record,
        status=OperationStatus.PENDING,
        end_timestamp=None,
        step_details=replace(details, next_attempt_timestamp=due),
    )


def _require_payloads(events: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a history whose payloads are truncated or missing: replaying it would prove nothing.

    The result of a step or a context is text, if only ``null``; so a history without any was fetched without its data.
    """
    cut = [_named(event) for event in events if _is_cut(event)]
    if cut:
        more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
        raise UnreadableHistory(f"payloads of {', '.join(cut[:3])}{more} are truncated in this history: {_ASK_AGAIN}")
    results = [
        event
        for event in events
        if event["EventType"] in {"StepSucceeded", "ContextSucceeded"} and event.get("SubType") not in _WITHOUT_RESULT
    ]
    if results and not any(payload_in(event, key) is not None for event in events for key in ("Result", "Input")):
        raise UnreadableHistory(f"this history has no payloads: {_ASK_AGAIN}")


def _is_cut(event: Mapping[str, Any]) -> bool:
    """Return whether a payload that the code will read is truncated.

    An error that is present counts as whole: the official emulator marks some as truncated that are not.
    """
    kind, details = event["EventType"], details_of(event)
    # A replay reads neither the execution's end nor what was sent to a function.
    if kind in {"InvocationCompleted", "ChainedInvokeStarted"} or (
        kind.startswith("Execution") and kind != "ExecutionStarted"
    ):
        return False
    cut = {key for key in ("Input", "Result", "Error") if _says_truncated(details.get(key))}
    return bool(cut - {"Error"}) or ("Error" in cut and error_in(event) is None)


def _says_truncated(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("Truncated") is True


def _named(event: Mapping[str, Any]) -> str:
    if event["EventType"] == "ExecutionStarted":
        return "the execution's input"
    return repr(event.get("Name") or text_in(event, "Id")[:8])
