"""A change we ask the service to make."""

from __future__ import annotations

from enum import StrEnum

from powertools_durable._frozen import frozen
from powertools_durable._protocol.operation import ErrorObject, OperationType
from powertools_durable._protocol.wire import WIRE

__all__ = [
    "CallbackOptions",
    "ChainedInvokeOptions",
    "ContextOptions",
    "OperationAction",
    "OperationUpdate",
    "StepOptions",
    "WaitOptions",
]


class OperationAction(StrEnum):
    """What an update does to its record."""

    START = "START"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"
    RETRY = "RETRY"
    CANCEL = "CANCEL"


@frozen(kw_only=True)
class ContextOptions:
    """Goes with SUCCEED of a CONTEXT whose result is too large for its record."""

    __pydantic_config__ = WIRE

    replay_children: bool


@frozen(kw_only=True)
class StepOptions:
    """Goes with RETRY of a STEP."""

    __pydantic_config__ = WIRE

    next_attempt_delay_seconds: int


@frozen(kw_only=True)
class WaitOptions:
    """Goes with START of a WAIT."""

    __pydantic_config__ = WIRE

    wait_seconds: int


@frozen(kw_only=True)
class CallbackOptions:
    """Goes with START of a CALLBACK; 0 means no timeout."""

    __pydantic_config__ = WIRE

    timeout_seconds: int = 0
    heartbeat_timeout_seconds: int = 0


@frozen(kw_only=True)
class ChainedInvokeOptions:
    """Goes with START of a CHAINED_INVOKE."""

    __pydantic_config__ = WIRE

    function_name: str
    tenant_id: str | None = None
    x_amzn_trace_id: str | None = None


@frozen(kw_only=True)
class OperationUpdate:
    """One change to one record.

    Every update of an operation repeats the type, sub type, name and parent of its START: the service
    compares them and keeps the last ones (docs/contributing/protocol.md#operation-updates).
    """

    __pydantic_config__ = WIRE

    id: str
    type: OperationType
    action: OperationAction
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None
    payload: str | None = None
    error: ErrorObject | None = None
    context_options: ContextOptions | None = None
    step_options: StepOptions | None = None
    wait_options: WaitOptions | None = None
    callback_options: CallbackOptions | None = None
    chained_invoke_options: ChainedInvokeOptions | None = None
