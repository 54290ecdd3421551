"""A backend that remembers what it was asked: the recorders of the seed's mock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable.backends.base import CheckpointResponse, DurableBackend, StatePage

__all__ = ["BatchCounter", "CheckpointCall", "OperationRecord", "RecordingBackend"]

_TOKEN = "mock-token"  # noqa: S105 - of an execution that does not exist
_KINDS = {
    OperationType.STEP: "step",
    OperationType.WAIT: "wait",
    OperationType.CALLBACK: "callback",
    OperationType.CHAINED_INVOKE: "invoke",
    OperationType.CONTEXT: "context",
}
_CONTEXTS = {SubType.MAP: "map", SubType.PARALLEL: "parallel", SubType.COMPENSATION: "compensation"}


@dataclass(frozen=True, slots=True)
class CheckpointCall:
    """One request of the engine.

    Attributes
    ----------
    arn : str
        The execution.
    checkpoint_token : str
        The token it was made with.
    updates : tuple[OperationUpdate, ...]
        What was to be changed, in order.
    """

    arn: str
    checkpoint_token: str = field(repr=False)
    updates: tuple[OperationUpdate, ...]

    def __str__(self) -> str:
        return ", ".join(_told(update) for update in self.updates) or "nothing"


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One operation that was started; prints as ``step:charge``.

    Attributes
    ----------
    name : str | None
        Its name.
    operation_type : str
        ``step``, ``wait``, ``callback``, ``invoke``, ``context``, ``map``, ``parallel`` or ``compensation``;
        ``unknown`` for anything else.
    """

    name: str | None
    operation_type: str

    def __str__(self) -> str:
        return f"{self.operation_type}:{self.name or ''}"


class BatchCounter:
    """How many requests so far told of more than one operation; compares with, and converts to, an integer."""

    def __init__(self, calls: Sequence[CheckpointCall]) -> None:
        self._calls = calls

    def __int__(self) -> int:
        return sum(len({update.id for update in call.updates}) > 1 for call in self._calls)

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return int(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(int(self))


class RecordingBackend:
    """A `DurableBackend` that records every request, and lets another backend answer it if it has one.

    Without one it answers as the seed's mock does: every request is accepted, no answer tells of a changed record,
    there are no pages. So nothing happens by itself there: no timer fires, and no callback gets an id.

    Parameters
    ----------
    inner : DurableBackend | None
        Answers the requests.

    Attributes
    ----------
    calls : list[CheckpointCall]
        The requests so far, those that were refused included.
    operations : list[OperationRecord]
        The operations that they started.
    """

    def __init__(self, inner: DurableBackend | None = None) -> None:
        self.inner = inner
        self.calls: list[CheckpointCall] = []
        self.operations: list[OperationRecord] = []

    def __repr__(self) -> str:
        around = f" around {type(self.inner).__name__}" if self.inner is not None else ""
        return f"<RecordingBackend{around}, {len(self.calls)} requests>"

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Record the request; see `DurableBackend.checkpoint`."""
        self.calls.append(CheckpointCall(arn, checkpoint_token, tuple(updates)))
        self.operations += [_operation(update) for update in updates if update.action is OperationAction.START]
        if self.inner is None:
            return CheckpointResponse(checkpoint_token=_TOKEN)
        return self.inner.checkpoint(arn, checkpoint_token, updates, client_token)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        if self.inner is None:
            return StatePage(operations=())
        return self.inner.get_execution_state(arn, checkpoint_token, marker, max_items)


def _operation(update: OperationUpdate) -> OperationRecord:
    kind = _KINDS.get(update.type, "unknown")
    if update.type is OperationType.CONTEXT:
        kind = next((word for sub_type, word in _CONTEXTS.items() if update.sub_type == sub_type), kind)
    return OperationRecord(update.name, kind)


def _told(update: OperationUpdate) -> str:
    return f"{update.action.value} {_operation(update)}"
