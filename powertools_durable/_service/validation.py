"""What the service refuses, and with which words.

Each rule is a function that returns the words of its refusal, or None; `refusal` asks them in order. A request
is refused whole: nothing of it is applied. Sources: protocol.md 5, 6, 19.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from powertools_durable._protocol.lifecycle import TRANSITIONS
from powertools_durable._protocol.limits import (
    MAX_BATCH_UPDATES,
    MAX_CALLBACK_SECONDS,
    MAX_ERROR_CHARACTERS,
    MAX_INVOKE_PAYLOAD_BYTES,
    MAX_NAME_LENGTH,
    MAX_SUB_TYPE_LENGTH,
    MAX_TIMER_SECONDS,
    MIN_TIMER_SECONDS,
)
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire

__all__ = ["ServiceRefusal", "refusal"]

_ID_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_MAX_ID_LENGTH = 64
_STARTABLE_AND_CLOSABLE = frozenset({OperationType.STEP, OperationType.CONTEXT})


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
class _Asked:
    """One update of a request, and what it meets."""

    update: OperationUpdate
    record: Operation | None
    earlier: Mapping[str, OperationUpdate]
    operations: Mapping[str, Operation]
    max_payload_bytes: int


def refusal(
    updates: Sequence[OperationUpdate], operations: Mapping[str, Operation], max_payload_bytes: int
) -> ServiceRefusal | None:
    """Return why a request is refused; None when it is not."""
    if len(updates) > MAX_BATCH_UPDATES:
        return ServiceRefusal(f"A checkpoint takes at most {MAX_BATCH_UPDATES} updates.")
    words = next(_objections(updates, operations, max_payload_bytes), None)
    return ServiceRefusal(words) if words else None


def _objections(
    updates: Sequence[OperationUpdate], operations: Mapping[str, Operation], max_payload_bytes: int
) -> Iterator[str]:
    earlier: dict[str, OperationUpdate] = {}
    for position, update in enumerate(updates):
        if update.type is OperationType.EXECUTION and position != len(updates) - 1:
            yield "EXECUTION checkpoint must be the last update."
        asked = _Asked(update, operations.get(update.id), earlier, operations, max_payload_bytes)
        for rule in _RULES:
            if words := rule(asked):
                yield f"{words} ({update.action.value} of {update.type.value} {update.name or update.id[:8]})"
        earlier[update.id] = update


def _is_repeated(asked: _Asked) -> str | None:
    before = asked.earlier.get(asked.update.id)
    if before is None:
        return None
    closes = before.action is OperationAction.START and asked.update.action is not OperationAction.START
    if closes and asked.update.type in _STARTABLE_AND_CLOSABLE:
        return None
    return "Cannot checkpoint multiple operations with the same ID."


def _has_bad_identity(asked: _Asked) -> str | None:
    update = asked.update
    if not 1 <= len(update.id) <= _MAX_ID_LENGTH or not _ID_ALPHABET.issuperset(update.id):
        return "Invalid operation id."
    name = update.name
    if name is not None and not (1 <= len(name) <= MAX_NAME_LENGTH and name.isascii() and name.isprintable()):
        return "Invalid operation name."
    sub_type = update.sub_type
    if sub_type is not None and not (1 <= len(sub_type) <= MAX_SUB_TYPE_LENGTH and _ID_ALPHABET.issuperset(sub_type)):
        return "Invalid operation subtype."
    return None


def _is_inconsistent(asked: _Asked) -> str | None:
    update, known = asked.update, asked.record or asked.earlier.get(asked.update.id)
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


def _has_bad_parent(asked: _Asked) -> str | None:
    parent_id = asked.update.parent_id
    if parent_id is None:
        return None
    record, started = asked.operations.get(parent_id), asked.earlier.get(parent_id)
    if record is None and (started is None or started.type is not OperationType.CONTEXT):
        return "Invalid parent operation id."
    if record is not None and record.type is not OperationType.CONTEXT:
        return "Invalid parent operation id."
    closed = (record is not None and record.status.is_terminal) or (
        started is not None and started.action is not OperationAction.START
    )
    # Stricter than the service is known to be: nothing is recorded below a context that has ended (G9).
    return "Parent context has already ended." if closed else None


def _is_illegal(asked: _Asked) -> str | None:
    update = asked.update
    if update.type is OperationType.EXECUTION:
        legal = update.action in (OperationAction.SUCCEED, OperationAction.FAIL)
        return None if legal else "Invalid action for the given operation type."
    status = asked.record.status if asked.record else None
    before = asked.earlier.get(update.id)
    if before is not None:
        status = TRANSITIONS.get((before.type, status, before.action))
    if (update.type, status, update.action) in TRANSITIONS:
        return None
    if not any(kind is update.type and action is update.action for kind, _, action in TRANSITIONS):
        return "Invalid action for the given operation type."
    present = status.value if status else "absent"
    return f"Invalid current {update.type.value} state to {update.action.value.lower()}: {present}."


def _has_bad_contents(asked: _Asked) -> str | None:
    update = asked.update
    match update.action:
        case OperationAction.RETRY if update.step_options is None:
            return "StepOptions are required to retry."
        case OperationAction.RETRY if update.error is not None and update.payload is not None:
            return "A retry has a payload or an error, not both."
        case OperationAction.FAIL if update.payload is not None:
            return "A failure has no payload."
        case OperationAction.SUCCEED if update.error is not None:
            return "A success has no error."
        case _:
            return None


def _has_bad_options(asked: _Asked) -> str | None:
    update = asked.update
    if update.action is OperationAction.START:
        if update.type is OperationType.WAIT and update.wait_options is None:
            return "WaitOptions are required."
        if update.type is OperationType.CHAINED_INVOKE and update.chained_invoke_options is None:
            return "ChainedInvokeOptions are required."
    seconds = [update.wait_options.wait_seconds] if update.wait_options else []
    seconds += [update.step_options.next_attempt_delay_seconds] if update.step_options else []
    if any(not MIN_TIMER_SECONDS <= value <= MAX_TIMER_SECONDS for value in seconds):
        return f"A timer takes {MIN_TIMER_SECONDS} to {MAX_TIMER_SECONDS} seconds."
    options = update.callback_options
    limits = (options.timeout_seconds, options.heartbeat_timeout_seconds) if options else ()
    if any(not 0 <= value <= MAX_CALLBACK_SECONDS for value in limits):
        return f"A callback's timeout takes 0 to {MAX_CALLBACK_SECONDS} seconds."
    return None


def _is_too_large(asked: _Asked) -> str | None:
    update = asked.update
    if update.error is not None and len(json.dumps(to_wire(update.error))) > MAX_ERROR_CHARACTERS:
        return f"An error takes at most {MAX_ERROR_CHARACTERS} characters."
    if update.payload is None or update.type is OperationType.EXECUTION:
        return None
    limit = MAX_INVOKE_PAYLOAD_BYTES if update.type is OperationType.CHAINED_INVOKE else asked.max_payload_bytes
    if len(update.payload.encode("utf-8", "replace")) > limit:
        return f"{update.type.value} output payload size must be less than or equal to {limit} bytes."
    return None


_RULES: tuple[Callable[[_Asked], str | None], ...] = (
    _has_bad_identity,
    _is_repeated,
    _is_inconsistent,
    _has_bad_parent,
    _is_illegal,
    _has_bad_contents,
    _has_bad_options,
    _is_too_large,
)
