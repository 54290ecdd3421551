"""What we hand back to Lambda, and what the two API calls hand to us."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from powertools_durable._frozen import frozen
from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._protocol.wire import WIRE

__all__ = ["CheckpointResponse", "InvocationResult", "InvocationStatus", "StatePage"]


class InvocationStatus(StrEnum):
    """How an invocation ended (docs/contributing/protocol.md#invocation-output)."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"


@frozen(kw_only=True)
class InvocationResult:
    """The answer to Lambda. ``result`` is JSON text, empty when it was checkpointed before."""

    __pydantic_config__ = WIRE

    status: InvocationStatus
    result: str | None = None
    error: ErrorObject | None = None


@frozen(kw_only=True)
class StatePage:
    """Some records, and where the next ones are; no marker on the last page."""

    __pydantic_config__ = WIRE

    operations: tuple[Operation, ...] | None = None
    next_marker: str | None = None


@frozen(kw_only=True)
class CheckpointResponse:
    """What a checkpoint changed. Without a token this invocation may not checkpoint any more."""

    __pydantic_config__ = WIRE

    checkpoint_token: str | None = field(default=None, repr=False)
    new_execution_state: StatePage | None = None
