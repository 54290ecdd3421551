"""The part of a history that a fork is served: what had ended when an operation started."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.wire import parse_timestamp, to_wire
from powertools_durable._service.history_reader import in_order, rebuild_execution
from powertools_durable.cli.usage import UsageError
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.testing.replays.addresses import find_operation
from powertools_durable.testing.replays.replayer import read_recorded, replay_beginning

__all__ = ["ForkedHistory", "fork_history"]

Event = dict[str, Any]

_OUTCOMES = ("Failed", "TimedOut", "Stopped", "Cancelled")


@dataclass(frozen=True, slots=True)
class ForkedHistory:
    """The beginning of an execution that other code goes on with.

    Attributes
    ----------
    arn : str
        The original's ARN; empty if the history does not say.
    name : str
        The original's name.
    events : list
        The events of what is served, as this package writes them.
    original : list
        All events of the original.
    records : list[Operation]
        The records of what is served, without the execution's own.
    payload : str | None
        The execution's input as JSON.
    """

    arn: str
    name: str
    events: list[Event]
    original: list[Event]
    records: list[Operation]
    payload: str | None


def fork_history(
    handler: Callable[..., Any], path: Any, start: str, edits: Mapping[str, Any], history: str
) -> ForkedHistory:
    """Return what a fork at the operation *start* is served.

    Parameters
    ----------
    handler : Callable
        The code that goes on; it must ask for what is served.
    path : Path
        The history's file.
    start : str
        ``PATH`` or ``PATH#N`` of the first operation that runs again.
    edits : Mapping[str, Any]
        Results to be served instead of the recorded ones, by operation.
    history : str
        What messages call the history.

    Raises
    ------
    ValidationError
        The file is no history, or an operation is not in it.
    UsageError
        An edited operation is not served, or the code asks for something else than what is served.
    """
    recorded = read_recorded(path)
    original = [_as_written(event) for event in in_order(recorded.events)]
    found = recorded.found
    target = find_operation(found.operations, start, history)
    before = original[: found.order[target.id] - 1]
    served = rebuild_execution(before)
    kept = {
        record.id: record
        for record in served.operations.values()
        if record.status.is_terminal or record.type is OperationType.CONTEXT
    }
    values = {}
    for address, value in edits.items():
        record = find_operation(found.operations, address, history)
        if record.id not in kept or not kept[record.id].status.is_terminal:
            raise UsageError(f"--edit {address}: it had not ended when {start} started, so it runs again")
        values[record.id] = _written(value, kept[record.id], address)
    edited = [_edited(event, values) for event in before]
    verdict, rebuilt = replay_beginning(handler, edited)
    if not verdict:
        raise UsageError(
            f"the code can't go on from {start} of {history}: {verdict.summary}. Fork from an earlier operation, or "
            "guard the change with ctx.patched(...)"
        )
    events = [event for event in edited if event["EventType"] == "ExecutionStarted" or event.get("Id") in kept]
    events = [{**event, "EventId": number} for number, event in enumerate(events, 1)]
    records = rebuild_execution(events)
    details = records.execution.execution_details
    return ForkedHistory(
        arn=recorded.arn,
        name=found.execution.name or "execution",
        events=events,
        original=original,
        records=[_rebuilding(record) if record.id in rebuilt else record for record in records.operations.values()],
        payload=details.input_payload if details is not None else None,
    )


def _as_written(part: Any) -> Any:
    """Return an event with its moments as this package stores them."""
    if not isinstance(part, Mapping):
        return part
    return {key: _moment(value) if key.endswith("Timestamp") else _as_written(value) for key, value in part.items()}


def _moment(value: object) -> object:
    moment = parse_timestamp(value)
    return to_wire(moment) if moment is not None else None


def _rebuilding(record: Operation) -> Operation:
    """Return the record of a context whose result was too large, as a replay has to see it."""
    details = record.context_details
    return record if details is None else replace(record, context_details=replace(details, replay_children=True))


# -- edits -------------------------------------------------------------------------------------------------------


def _written(value: Any, record: Operation, address: str) -> str:
    """Return a value as text in the format in which the operation's result was recorded."""
    if record.type in {OperationType.CALLBACK, OperationType.CHAINED_INVOKE, OperationType.WAIT}:
        if record.type is OperationType.WAIT:
            raise UsageError(f"--edit {address}: a wait has no result")
        return json.dumps(value)
    try:
        recorded = json.loads(record.result) if record.result else None
    except ValueError:
        raise UsageError(
            f"--edit {address}: its result is not recorded as JSON (it may be encrypted or compressed), so it can't be "
            "edited"
        ) from None
    is_plain = isinstance(recorded, dict) and set(recorded) != {"t", "v"}
    if is_plain:
        return json.dumps(value)
    try:
        return TaggedJson().serialize(value, SerDesContext(operation_id=record.id, execution_arn=""))
    except SerDesError as error:
        raise UsageError(f"--edit {address}: {error}") from None


def _edited(event: Event, values: Mapping[str, str]) -> Event:
    """Return the end of an edited operation as a success with the new result."""
    text = values.get(event.get("Id", ""))
    kind = str(event["EventType"])
    if text is None or kind.endswith("Started"):
        return event
    details = event.get(f"{kind}Details") or {}
    retry = details.get("RetryDetails") or {}
    if retry.get("NextAttemptDelaySeconds"):
        return event  # an attempt that was followed by another one
    ended = kind
    for outcome in _OUTCOMES:
        ended = ended.removesuffix(outcome)
    ended = f"{ended.removesuffix('Succeeded')}Succeeded"
    kept = {key: value for key, value in details.items() if key not in {"Error", "Result"}}
    changed = {key: value for key, value in event.items() if key != f"{kind}Details"}
    result = {"Payload": text, "Truncated": False}
    return {**changed, "EventType": ended, f"{ended}Details": {**kept, "Result": result}}
