"""Builders for pure tests: records, handles, and a driver without threads, sockets or clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

from powertools_durable._protocol.lifecycle import apply
from powertools_durable._protocol.operation import (
    CallbackDetails,
    ContextDetails,
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    SubType,
    WaitDetails,
)
from powertools_durable._replay.effects import (
    Attempt,
    Checkpoint,
    Effect,
    Enter,
    FanOut,
    Flow,
    Outcome,
    Raised,
    Returned,
    Series,
    Suspend,
    Turn,
)
from powertools_durable._replay.engine import ReplayEngine, Rules
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._replay.state import ExecutionState
from powertools_durable.errors import NonDeterminismError

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-42/0a1b"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRST = operation_id("1")
S = OperationStatus
T = TypeVar("T")

_SUB_TYPES = {
    OperationType.STEP: SubType.STEP,
    OperationType.WAIT: SubType.WAIT,
    OperationType.CALLBACK: SubType.CALLBACK,
    OperationType.CONTEXT: SubType.RUN_IN_CHILD_CONTEXT,
}


def record(kind: OperationType, status: OperationStatus, name: str | None = "op", **fields: Any) -> Operation:
    """A record of the first operation at the root."""
    fields.setdefault("id", FIRST)
    return Operation(type=kind, status=status, name=name, sub_type=_SUB_TYPES[kind], **fields)


def step_record(
    status: OperationStatus,
    *,
    attempt: int = 0,
    result: str | None = None,
    error: ErrorObject | None = None,
    due: datetime | None = None,
    **fields: Any,
) -> Operation:
    details = StepDetails(attempt=attempt, result=result, error=error, next_attempt_timestamp=due)
    return record(OperationType.STEP, status, step_details=details, **fields)


def wait_record(status: OperationStatus, due: datetime | None = None) -> Operation:
    return record(OperationType.WAIT, status, wait_details=WaitDetails(scheduled_end_timestamp=due))


def callback_record(
    status: OperationStatus,
    callback_id: str | None = "cb-1",
    result: str | None = None,
    error: ErrorObject | None = None,
) -> Operation:
    details = CallbackDetails(callback_id=callback_id, result=result, error=error)
    return record(OperationType.CALLBACK, status, callback_details=details)


def context_record(
    status: OperationStatus,
    *,
    result: str | None = None,
    error: ErrorObject | None = None,
    replay_children: bool = False,
    **fields: Any,
) -> Operation:
    details = ContextDetails(result=result, error=error, replay_children=replay_children)
    return record(OperationType.CONTEXT, status, context_details=details, **fields)


def engine(*records: Operation | None, **rules: Any) -> ReplayEngine:
    return ReplayEngine(ExecutionState(ARN, [r for r in records if r]), "t0", Random(0), Rules(**rules))


def handle(
    found: Operation | None, kind: OperationType = OperationType.STEP, name: str | None = "op", **rules: Any
) -> OperationHandle:
    """The first operation at the root, over what is *found* there."""
    return Frame(engine(found, **rules)).begin(kind, _SUB_TYPES[kind], name)


def branched(effect: FanOut, outcomes: Sequence[Outcome]) -> Outcome:
    """Run the branches of a fan-out one after the other; those that are entered have *outcomes*, by index."""
    plan = effect.plan
    while plan.reason is None:
        index = plan.admit()
        assert index is not None
        op, flow = effect.branch(index)
        done = play(op, flow, outcomes[index : index + 1])
        plan.ended(index, Returned(done.returned) if done.raised is None else Raised(done.raised))
        if isinstance(done.raised, NonDeterminismError):
            raise done.raised
    return Returned(effect.result())


@dataclass
class Played:
    """What a flow asked for, and how it ended."""

    effects: list[Effect] = field(default_factory=list)
    returned: Any = None
    raised: BaseException | None = None
    suspended: Suspend | None = None

    @property
    def updates(self) -> list[str]:
        return [e.update.action.value for e in self.effects if isinstance(e, Checkpoint)]


def ended_with(series: Series[T], outcomes: Sequence[Outcome | None]) -> tuple[list[Turn], T]:
    """What *series* asked for when it was answered with *outcomes*, and what it returned."""
    effects: list[Turn] = []
    answers = [None, *outcomes]
    try:
        while True:
            effects.append(series.send(answers.pop(0)))
    except StopIteration as done:
        assert answers == [], "it asked for less"
        return effects, done.value


def play(op: OperationHandle, flow: Flow[Any], outcomes: Sequence[Outcome] = (), now: datetime = NOON) -> Played:
    """Perform *flow* against its own record: checkpoints are acknowledged at once, bodies have *outcomes*."""
    played, answers, answer = Played(), list(outcomes), None
    records = op.engine.state.operations
    try:
        while True:
            effect = flow.send(answer)
            played.effects.append(effect)
            answer = None
            match effect:
                case Checkpoint(update):
                    records[update.id] = apply(records.get(update.id), update, now)
                case Attempt() | Enter():
                    answer = answers.pop(0)
                case FanOut():
                    answer = branched(effect, answers)
                case Suspend():
                    played.suspended = effect
                    return played
    except StopIteration as done:
        played.returned = done.value
    except Exception as error:  # noqa: BLE001 - the test looks at it
        played.raised = error
    return played
