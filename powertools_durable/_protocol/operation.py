"""A record as the service keeps it.

Frozen and slotted, so that a record can be shared by every thread and every view of it. The
``__pydantic_config__`` of each class is a plain dict: pydantic fills these very classes from the wire
(``parser/event.py``, ``backends/lambda_.py``), and nothing here imports it.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

from powertools_durable._frozen import frozen, sharing
from powertools_durable._protocol.wire import WIRE, Timestamp, moments

__all__ = [
    "CallbackDetails",
    "ChainedInvokeDetails",
    "ContextDetails",
    "ErrorObject",
    "ExecutionDetails",
    "Operation",
    "OperationStatus",
    "OperationType",
    "StepDetails",
    "SubType",
    "WaitDetails",
    "operation_id",
]


def operation_id(text: str) -> str:
    """Return the id of the operation with the place *text*, such as ``1`` or ``<id of its context>-1``.

    It is BLAKE2b with the default digest size of 64 bytes, cut to 64 hexadecimal characters. A digest size of 32 bytes
    would give another value
    (docs/contributing/protocol.md#operation-ids).
    """
    return blake2b(text.encode()).digest()[:32].hex()


class OpenEnum(StrEnum):
    """An enum that keeps a value it does not know as a member of its own.

    A service newer than this package may send one; it must not break the parsing of a history
    (docs/reliability.md#fault-rows, row 42).
    """

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member


class OperationType(OpenEnum):
    """What kind of operation a record or an update is about."""

    EXECUTION = "EXECUTION"
    CONTEXT = "CONTEXT"
    STEP = "STEP"
    WAIT = "WAIT"
    CALLBACK = "CALLBACK"
    CHAINED_INVOKE = "CHAINED_INVOKE"


class OperationStatus(OpenEnum):
    """Where a record is in its life (docs/contributing/protocol.md#statuses-and-transitions)."""

    STARTED = "STARTED"
    PENDING = "PENDING"
    READY = "READY"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"

    is_terminal: bool  # the record will never change again; of a status that this version does not know, False


OperationStatus.is_terminal = False
for _status in ("SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"):
    OperationStatus(_status).is_terminal = True


class SubType(StrEnum):
    """The finer kind of an operation, by the call that made it (docs/contributing/protocol.md#sub-types-and-names)."""

    STEP = "Step"
    WAIT = "Wait"
    CALLBACK = "Callback"
    CHAINED_INVOKE = "ChainedInvoke"
    RUN_IN_CHILD_CONTEXT = "RunInChildContext"
    WAIT_FOR_CALLBACK = "WaitForCallback"
    WAIT_FOR_CONDITION = "WaitForCondition"
    MAP = "Map"
    MAP_ITERATION = "MapIteration"
    PARALLEL = "Parallel"
    PARALLEL_BRANCH = "ParallelBranch"
    COMPENSATION = "Compensation"
    RACE = "Race"
    PATCH = "Patch"


@frozen(kw_only=True)
class ErrorObject:
    """A failure in the four texts the wire has for one (docs/contributing/protocol.md#operation-records)."""

    __pydantic_config__ = WIRE

    error_message: str | None = None
    error_type: str | None = None
    error_data: str | None = None
    stack_trace: tuple[str, ...] | None = None


@frozen(kw_only=True)
class ExecutionDetails:
    """What only the EXECUTION record has: the customer's input, as JSON text."""

    __pydantic_config__ = WIRE

    input_payload: str | None = None


@frozen(kw_only=True)
class ContextDetails:
    """Outcome of a CONTEXT. With ``replay_children`` its result must be rebuilt from its children."""

    __pydantic_config__ = WIRE

    replay_children: bool | None = None
    result: str | None = None
    error: ErrorObject | None = None


@moments("next_attempt_timestamp")
@frozen(kw_only=True)
class StepDetails:
    """The outcome so far. ``attempt`` counts *finished* attempts (docs/contributing/protocol.md#operation-records)."""

    __pydantic_config__ = WIRE

    attempt: int | None = None
    next_attempt_timestamp: Timestamp | None = None
    result: str | None = None
    error: ErrorObject | None = None


@moments("scheduled_end_timestamp")
@frozen(kw_only=True)
class WaitDetails:
    """When a WAIT is due."""

    __pydantic_config__ = WIRE

    scheduled_end_timestamp: Timestamp | None = None


@frozen(kw_only=True)
class CallbackDetails:
    """The id an outside system answers to, and its answer.

    The id is a bearer capability: anyone who holds it may answer, so it stays out of every repr.
    """

    __pydantic_config__ = WIRE

    callback_id: str | None = field(default=None, repr=False)
    result: str | None = None
    error: ErrorObject | None = None


@frozen(kw_only=True)
class ChainedInvokeDetails:
    """What another function answered."""

    __pydantic_config__ = WIRE

    result: str | None = None
    error: ErrorObject | None = None


def _kind_of(value: object) -> str:
    """Tell which details a record on the wire has; of what is none, pydantic says so."""
    kind = (value.get("Type") or value.get("type")) if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) and kind in _DETAILS else OperationType.EXECUTION


@moments("start_timestamp", "end_timestamp")
@frozen(kw_only=True)
class Operation:
    """One record. Only the details that belong to its type are set, and they may be missing too."""

    __pydantic_config__ = WIRE

    id: str
    type: OperationType
    status: OperationStatus
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    execution_details: ExecutionDetails | None = sharing("details", ExecutionDetails)
    context_details: ContextDetails | None = sharing("details", ContextDetails)
    step_details: StepDetails | None = sharing("details", StepDetails)
    wait_details: WaitDetails | None = sharing("details", WaitDetails)
    callback_details: CallbackDetails | None = sharing("details", CallbackDetails)
    chained_invoke_details: ChainedInvokeDetails | None = sharing("details", ChainedInvokeDetails)

    if TYPE_CHECKING:  # the slot that they share
        details: ClassVar[Any]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        """Have pydantic look for those details only that a record of its type can have: the others cost time."""
        whole = handler.resolve_ref_schema(handler(source))
        fields = whole["schema"]["fields"]
        choices = {}
        for kind, own in _DETAILS.items():
            kept = [field for field in fields if field["name"] == own or field["name"] not in _ALL_DETAILS]
            names = [field["name"] for field in kept]
            choices[kind] = {**whole, "schema": {**whole["schema"], "fields": kept}, "fields": names}
            del choices[kind]["ref"]
        return {"type": "tagged-union", "discriminator": _kind_of, "choices": choices}

    @property
    def attempts(self) -> int:
        """How many attempts of a STEP are finished; 0 for anything else."""
        return getattr(self.details, "attempt", None) or 0

    @property
    def outcome(self) -> ContextDetails | StepDetails | CallbackDetails | ChainedInvokeDetails | None:
        """The details that hold ``result`` and ``error``, whatever the type; None when missing."""
        return self.step_details or self.context_details or self.callback_details or self.chained_invoke_details

    @property
    def result(self) -> str | None:
        """The recorded result as text; None when there is none."""
        return getattr(self.details, "result", None)

    @property
    def error(self) -> ErrorObject | None:
        """The recorded failure; None when there is none."""
        return getattr(self.details, "error", None)


_DETAILS = {
    OperationType.EXECUTION.value: "execution_details",
    OperationType.CONTEXT.value: "context_details",
    OperationType.STEP.value: "step_details",
    OperationType.WAIT.value: "wait_details",
    OperationType.CALLBACK.value: "callback_details",
    OperationType.CHAINED_INVOKE.value: "chained_invoke_details",
}
_ALL_DETAILS = frozenset(_DETAILS.values())
