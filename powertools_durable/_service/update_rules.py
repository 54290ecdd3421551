"""Rules for an update that do not depend on its record.

Sources: docs/contributing/protocol.md#statuses-and-transitions, #operation-updates, #limits.
"""

from __future__ import annotations

import json

from powertools_durable._protocol.limits import (
    MAX_CALLBACK_SECONDS,
    MAX_ERROR_CHARACTERS,
    MAX_INVOKE_PAYLOAD_BYTES,
    MAX_NAME_LENGTH,
    MAX_SUB_TYPE_LENGTH,
    MAX_TIMER_SECONDS,
    MIN_TIMER_SECONDS,
)
from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.target import objection_to

__all__ = ["has_bad_contents", "has_bad_identity", "has_bad_options", "is_too_large"]

_ID_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_MAX_ID_LENGTH = 64


def has_bad_identity(update: OperationUpdate) -> str | None:
    """Object to an invalid id, name or subtype."""
    if not 1 <= len(update.id) <= _MAX_ID_LENGTH or not _ID_ALPHABET.issuperset(update.id):
        return "Invalid operation id."
    name = update.name
    if name is not None and not (1 <= len(name) <= MAX_NAME_LENGTH and name.isascii() and name.isprintable()):
        return "Invalid operation name."
    sub_type = update.sub_type
    if sub_type is not None and not (1 <= len(sub_type) <= MAX_SUB_TYPE_LENGTH and _ID_ALPHABET.issuperset(sub_type)):
        return "Invalid operation subtype."
    return None


def is_too_large(update: OperationUpdate, max_payload_bytes: int) -> str | None:
    """Object to a payload or an error that is too large."""
    if update.error is not None and len(json.dumps(to_wire(update.error))) > MAX_ERROR_CHARACTERS:
        return f"Error object size must be less than {MAX_ERROR_CHARACTERS} bytes."
    if update.payload is None or update.type is OperationType.EXECUTION:
        return None
    is_invoke = update.type is OperationType.CHAINED_INVOKE
    limit = MAX_INVOKE_PAYLOAD_BYTES if is_invoke else max_payload_bytes
    if len(update.payload.encode("utf-8", "replace")) > limit:
        side = "input" if is_invoke else "output"
        return f"{update.type.value} {side} payload size must be less than or equal to {limit} bytes."
    return None


def has_bad_contents(update: OperationUpdate) -> str | None:
    """Object to fields that do not fit the action."""
    match update.action:
        case OperationAction.RETRY if update.step_options is None:
            return "Invalid StepOptions for the given action."
        case OperationAction.RETRY if update.error is not None and update.payload is not None:
            return "Cannot provide both error and payload to RETRY a STEP."
        case OperationAction.FAIL if update.payload is not None:
            return "Cannot provide a Payload for FAIL action."
        case OperationAction.SUCCEED if update.error is not None:
            return "Cannot provide an Error for SUCCEED action."
        case _:
            return None


def has_bad_options(update: OperationUpdate) -> str | None:
    """Object to options that are missing or out of range."""
    if update.action is OperationAction.START:
        if update.type is OperationType.WAIT and update.wait_options is None:
            return "WaitOptions are required."
        if update.type is OperationType.CHAINED_INVOKE:
            if update.chained_invoke_options is None:
                return "Update for CHAINED_INVOKE operation requires ChainedInvokeOptions."
            return objection_to(update.chained_invoke_options)
    seconds = [update.wait_options.wait_seconds] if update.wait_options else []
    seconds += [update.step_options.next_attempt_delay_seconds] if update.step_options else []
    if any(not MIN_TIMER_SECONDS <= value <= MAX_TIMER_SECONDS for value in seconds):
        return f"A timer takes {MIN_TIMER_SECONDS} to {MAX_TIMER_SECONDS} seconds."
    options = update.callback_options
    limits = (options.timeout_seconds, options.heartbeat_timeout_seconds) if options else ()
    if any(not 0 <= value <= MAX_CALLBACK_SECONDS for value in limits):
        return f"A callback's timeout takes 0 to {MAX_CALLBACK_SECONDS} seconds."
    return None
