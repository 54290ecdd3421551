"""What X-Ray is sent: names, what a subsegment tells, and a guard in front of the socket.

The X-Ray SDK is not imported here: its entities and emitters are used by what they can do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from powertools_durable._protocol.operation import OperationType
from powertools_durable.errors import SuspendExecution
from powertools_durable.integrations.tracing import NAMESPACE, OperationEnding, kind_of
from powertools_durable.plugins import OperationInfo

__all__ = ["GuardingEmitter", "is_cancelled", "mark_suspended", "operation_metadata", "subsegment_name"]

logger = logging.getLogger(__name__)

MAX_NAME = 200  # characters, X-Ray's own limit
MAX_DOCUMENT = 63 * 1024  # bytes; X-Ray takes 64 KB, and a datagram has a header
MAX_MESSAGE = 1000  # characters of an exception in a document that is too large
_SUSPENSION = SuspendExecution._cause_id  # noqa: SLF001 - what the SDK reads, as the error says
_NAME_SYMBOLS = frozenset("_.:/%&#=+\\-@")  # what X-Ray allows in a name besides letters, digits and spaces


def subsegment_name(info: OperationInfo) -> str:
    """Return ``## step charge-card``: without what X-Ray allows in no name, and not longer than one may be."""
    name = " ".join((info.name or "").split())
    given = "".join(c for c in name if c.isalnum() or c == " " or c in _NAME_SYMBOLS)
    return f"## {kind_of(info)} {given.strip() or info.id[:8]}"[:MAX_NAME]


def operation_metadata(info: OperationInfo, ending: OperationEnding | None) -> dict[str, Any]:
    """Return what a subsegment tells of an operation; without *ending*, should nobody come to tell it."""
    told: dict[str, Any] = {"id": info.id, "parentId": info.parent_id, "subType": str(info.sub_type)}  # no enum
    if info.type == OperationType.STEP:
        told["attempt"] = info.attempt
    told["outcome"] = ending.outcome if ending is not None else "INCOMPLETE"
    if ending is not None and ending.next_attempt_seconds is not None:
        told["nextAttemptSeconds"] = ending.next_attempt_seconds
    return told


class GuardingEmitter:
    """Stands before an emitter: a suspension is no fault, and no document is so large that it would be lost.

    Parameters
    ----------
    replaced : UDPEmitter
        Sends; everything else is its own too.
    """

    def __init__(self, replaced: Any) -> None:
        self.replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self.replaced, name)

    def send_entity(self, entity: Any) -> None:
        """Send a subsegment. What fails here is for who debugs: no execution depends on it."""
        try:
            ready = self._prepared(entity)
        except Exception:
            logger.debug("a subsegment is sent as it is", exc_info=True)
            ready = entity
        try:
            self.replaced.send_entity(ready)
        except Exception:
            logger.debug("a subsegment could not be sent", exc_info=True)

    def _prepared(self, entity: Any) -> _Written:
        for one in _tree(entity):
            _forgive(one)
        text = entity.serialize()
        return _Written(entity, text if len(text) <= MAX_DOCUMENT else self._shortened(entity))  # the SDK writes ASCII

    def _shortened(self, entity: Any) -> str:
        """Send what lies inside by itself; then leave out what is not indexed; then cut messages."""
        while entity.subsegments:
            self.send_entity(entity.subsegments.pop(0))
        before = len(entity.serialize())
        if before > MAX_DOCUMENT:
            entity.metadata = {}
            entity.metadata = {NAMESPACE: {"truncated_bytes": before - len(entity.serialize())}}
        if len(entity.serialize()) > MAX_DOCUMENT and isinstance(entity.cause, dict):
            for exception in entity.cause.get("exceptions", ()):
                exception.message = str(getattr(exception, "message", ""))[:MAX_MESSAGE]
        text: str = entity.serialize()
        return text


class _Written:
    """An entity whose document is written."""

    def __init__(self, entity: Any, text: str) -> None:
        self._entity = entity
        self._text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entity, name)

    def serialize(self) -> str:
        return self._text


def _tree(entity: Any) -> Iterator[Any]:
    yield entity
    for inner in entity.subsegments:
        yield from _tree(inner)


def is_cancelled(entity: Any) -> bool:
    """Return whether what passed through *entity* was a cancellation."""
    exceptions = entity.cause.get("exceptions", []) if isinstance(entity.cause, dict) else []
    return bool(exceptions) and all(exception.type == "CancelledError" for exception in exceptions)


def mark_suspended(entity: Any) -> None:
    """Let the cause of *entity* be a suspension, which is no fault."""
    entity.cause = _SUSPENSION


def _forgive(entity: Any) -> None:
    """Take the mark of a suspension off, which the SDK puts on everything that an exception passes through."""
    if entity.cause != _SUSPENSION:
        return
    entity.cause = {}
    vars(entity).pop("fault", None)
    entity.metadata.setdefault(NAMESPACE, {})["suspended"] = True
