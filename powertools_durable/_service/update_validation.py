"""The updates that the service refuses, and its messages.

Each rule is a function that returns the message of its refusal, or None; `refusal` calls them in order. A request is
refused as a whole: none of it is applied. Messages are the service's own where they are known; the part in parentheses
is ours and names the update.

Sources: docs/contributing/protocol.md#statuses-and-transitions, #operation-updates, #batching, #limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from powertools_durable._protocol.lifecycle import TRANSITIONS
from powertools_durable._protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_UPDATES
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.update_rules import has_bad_contents, has_bad_identity, has_bad_options, is_too_large

__all__ = ["ServiceRefusal", "refusal"]

_STARTABLE_AND_CLOSABLE = frozenset({OperationType.STEP, OperationType.CONTEXT})
_ENDS_EXECUTION = frozenset({OperationAction.SUCCEED, OperationAction.FAIL})
_WORST_ESCAPE = 6  # bytes of JSON for one character: \u0000
_OVERHEAD = 2048  # more than an update's JSON takes besides its payload and its error

_NOT_NOW = {
    (OperationType.STEP, OperationAction.START): "Invalid current STEP state to start.",
    (OperationType.STEP, OperationAction.SUCCEED): "Invalid current STEP state to close.",
    (OperationType.STEP, OperationAction.FAIL): "Invalid current STEP state to close.",
    (OperationType.STEP, OperationAction.RETRY): "Invalid current STEP state to re-attempt.",
    (OperationType.CONTEXT, OperationAction.START): "Cannot start a CONTEXT that already exist.",
    (OperationType.CONTEXT, OperationAction.SUCCEED): "Invalid current CONTEXT state to close.",
    (OperationType.CONTEXT, OperationAction.FAIL): "Invalid current CONTEXT state to close.",
    (OperationType.WAIT, OperationAction.START): "Cannot start a WAIT that already exist.",
    (OperationType.WAIT, OperationAction.CANCEL): (
        "Cannot cancel a WAIT that does not exist or has already completed."
    ),
    (OperationType.CALLBACK, OperationAction.START): "Cannot start a CALLBACK that already exist.",
    (OperationType.CHAINED_INVOKE, OperationAction.START): (
        "Cannot start a CHAINED_INVOKE operation that already exists."
    ),
}
"""The service's messages [E] for an action that comes at the wrong time."""


class ServiceRefusal(Exception):  # noqa: N818 - what the service answers, not a fault of ours
    """The service's answer to a request it does not accept.

    Attributes
    ----------
    code : str
        The exception's name in the service's model.
    status : int
        HTTP status.
    """

    def __init__(self, message: str, *, code: str = "InvalidParameterValueException", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class _ProposedUpdate:
    """One update, and the state it applies to."""

    update: OperationUpdate
    record: Operation | None
    earlier: Mapping[str, OperationUpdate]
    operations: Mapping[str, Operation]
    max_payload_bytes: int

    def __str__(self) -> str:
        update = self.update
        present = self.record.status.value if self.record else "absent"
        label = repr(update.name) if update.name else update.id[:8]
        return f"{update.action.value} of {update.type.value} {label}, which was {present}"

    def ended(self, context_id: str) -> bool:
        """Tell whether a context ended before this update."""
        record, before = self.operations.get(context_id), self.earlier.get(context_id)
        return (record is not None and record.status.is_terminal) or (
            before is not None and before.action is not OperationAction.START
        )

    def parent_of(self, known: OperationUpdate | Operation | None) -> str | None:
        """Return the parent of *known*; an update may leave it out if its record or its START has it."""
        if known is None:
            return None
        before = self.operations.get(known.id) or self.earlier.get(known.id)
        return known.parent_id or (before.parent_id if before else None)


def refusal(
    updates: Sequence[OperationUpdate], operations: Mapping[str, Operation], max_payload_bytes: int
) -> ServiceRefusal | None:
    """Return why a request is refused; None when it is not."""
    message = _objection_to_all(updates) or next(_objections(updates, operations, max_payload_bytes), None)
    return ServiceRefusal(message) if message else None


def _objection_to_all(updates: Sequence[OperationUpdate]) -> str | None:
    if len(updates) > MAX_BATCH_UPDATES:
        return f"A checkpoint takes at most {MAX_BATCH_UPDATES} updates."
    if len(updates) > 1 and _is_heavy(updates):  # one alone is never too heavy
        return f"A checkpoint of several updates takes at most {MAX_BATCH_BYTES} bytes."
    ends = [position for position, update in enumerate(updates) if update.type is OperationType.EXECUTION]
    if len(ends) > 1:
        return "Cannot checkpoint multiple EXECUTION updates."
    return "EXECUTION checkpoint must be the last update." if ends and ends[0] != len(updates) - 1 else None


def _is_heavy(updates: Sequence[OperationUpdate]) -> bool:
    errors = [len(json.dumps(to_wire(update.error))) for update in updates if update.error]
    payloads = [len(update.payload) for update in updates if update.payload]
    if _WORST_ESCAPE * (sum(payloads) + sum(errors)) + _OVERHEAD * len(updates) <= MAX_BATCH_BYTES:
        return False
    return len(json.dumps(to_wire(tuple(updates)), ensure_ascii=False).encode("utf-8", "replace")) > MAX_BATCH_BYTES


def _objections(
    updates: Sequence[OperationUpdate], operations: Mapping[str, Operation], max_payload_bytes: int
) -> Iterator[str]:
    earlier: dict[str, OperationUpdate] = {}
    for update in updates:
        proposed = _ProposedUpdate(update, operations.get(update.id), earlier, operations, max_payload_bytes)
        for rule in _RULES:
            if message := rule(proposed):
                yield f"{message} ({proposed})"
        earlier[update.id] = update


def _is_repeated(proposed: _ProposedUpdate) -> str | None:
    before = proposed.earlier.get(proposed.update.id)
    if before is None:
        return None
    closes = before.action is OperationAction.START and proposed.update.action is not OperationAction.START
    if closes and before.type in _STARTABLE_AND_CLOSABLE:
        return None
    return "Cannot checkpoint multiple operations with the same ID."


def _has_bad_parent(proposed: _ProposedUpdate) -> str | None:
    parent_id = proposed.update.parent_id
    if parent_id is None:
        return None
    parent = proposed.earlier.get(parent_id) or proposed.operations.get(parent_id)
    is_context = parent is not None and parent.type is OperationType.CONTEXT
    return None if is_context else "Invalid parent operation id."


def _is_inconsistent(proposed: _ProposedUpdate) -> str | None:
    update, known = proposed.update, proposed.record or proposed.earlier.get(proposed.update.id)
    if known is None:
        return None
    if known.type is not update.type:
        return "Inconsistent operation type."
    if update.sub_type and known.sub_type != update.sub_type:
        return "Inconsistent operation subtype."
    if update.name and known.name != update.name:
        return "Inconsistent operation name."
    if update.parent_id and known.parent_id != update.parent_id:
        return "Inconsistent parent operation id."
    return None


def _is_illegal(proposed: _ProposedUpdate) -> str | None:
    update = proposed.update
    if update.type is OperationType.EXECUTION and update.action in _ENDS_EXECUTION:
        return None
    message = _NOT_NOW.get((update.type, update.action))
    if message is None:
        return "Invalid action for the given operation type."
    status = proposed.record.status if proposed.record else None
    before = proposed.earlier.get(update.id)
    if before is not None:
        status = TRANSITIONS.get((before.type, status, before.action))
    return None if (update.type, status, update.action) in TRANSITIONS else message


def _is_below_an_end(proposed: _ProposedUpdate) -> str | None:
    """Object to an update below a context that has ended (G9); stricter than the service is known to be."""
    above = proposed.parent_of(proposed.update)
    while above is not None:
        if proposed.ended(above):
            return "Parent context has already ended."
        above = proposed.parent_of(proposed.earlier.get(above) or proposed.operations.get(above))
    return None


# The official emulator's order, so that a request with two faults gets the same message [E].
_RULES: tuple[Callable[[_ProposedUpdate], str | None], ...] = (
    lambda proposed: has_bad_identity(proposed.update),
    _is_repeated,
    _has_bad_parent,
    _is_inconsistent,
    lambda proposed: is_too_large(proposed.update, proposed.max_payload_bytes),
    _is_illegal,
    lambda proposed: has_bad_contents(proposed.update),
    lambda proposed: has_bad_options(proposed.update),
    _is_below_an_end,
)
