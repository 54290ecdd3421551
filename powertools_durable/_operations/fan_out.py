"""Run branches concurrently, each in its own context: the flow of `parallel` and `map`.

The fan-out is a context (`child.py`), and so is each branch. A NESTED branch has a record. A FLAT branch has none; its
operations have the fan-out as parent. A failed branch does not fail the fan-out; the result contains its error. But a
value that can't be written or read fails the fan-out: it is a mistake in the code that no completion rule tolerates.
See docs/contributing/protocol.md#map-and-parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType
from typing import Any

from powertools_durable._frozen import frozen
from powertools_durable._operations.child import child, context, summarised, virtual_child
from powertools_durable._protocol.operation import SubType
from powertools_durable._replay.effects import FanOut, Flow, Outcome, Raised, Returned
from powertools_durable._replay.fan_out_plan import FanOutPlan
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.batch import BatchItem, BatchResult, Compact
from powertools_durable.completion import Completion, CompletionReason, FanOutStatus
from powertools_durable.errors.places import call_site
from powertools_durable.serdes.base import SerDes

__all__ = ["Branches", "fan_out"]


_BRANCH = {SubType.MAP: SubType.MAP_ITERATION, SubType.PARALLEL: SubType.PARALLEL_BRANCH}


@frozen
class Branches:
    """The branches of a fan-out.

    Attributes
    ----------
    sub_type : SubType
        ``Map`` or ``Parallel``.
    names : Sequence[str | None]
        The name of each branch.
    body : Callable
        Takes an index and a frame, runs the code of that branch.
    serdes : Sequence[SerDes]
        The format of each branch's result.
    flat : bool
        Branches have no record of their own.
    """

    sub_type: SubType
    names: Sequence[str | None]
    body: Callable[[int, Frame], Any]
    serdes: Sequence[SerDes[Any]]
    flat: bool

    def open(
        self, frame: Frame, index: int, *, place: str | tuple[CodeType, int] | None = None
    ) -> tuple[OperationHandle, Flow[Any]]:
        """Build the operation and the flow of one branch below *frame*; *place* is the line of the fan-out's call."""
        op = frame.branch(index, _BRANCH[self.sub_type], self.names[index], virtual=self.flat)
        op.place = place
        body = partial(self.body, index)
        if self.flat:
            return op, virtual_child(op, frame.child(op, virtual=True), body, self.serdes[index])
        return op, child(op, partial(frame.child, op), body, self.serdes[index])

    def check_inputs(self, op: OperationHandle, frame: Frame) -> None:
        """Refuse fewer inputs than before: no branch after the last one may be recorded."""
        total = len(self.names)
        if frame.has_branch(total):
            raise frame.mismatch(op, {"branches": f"more than {total}"}, {"branches": str(total)})

    def open_ended(self, frame: Frame, index: int) -> tuple[OperationHandle, Flow[Any]]:
        """Build operation and flow of a branch that has ended according to the fan-out's record; see `open`."""
        op, flow = self.open(frame, index)
        if not self.flat and (op.status is None or not op.status.is_terminal):
            raise frame.mismatch(op, {"status": "ended"}, {"status": op.status.value if op.status else None})
        return op, flow


def fan_out(
    op: OperationHandle,
    open_frame: Callable[[], Frame],
    branches: Branches,
    completion: Completion,
    serdes: SerDes[BatchResult[Any]],
    *,
    max_concurrency: int | None = None,
    batch_size: int | None = None,
    summary: Callable[[BatchResult[Any]], str] | None = None,
) -> Flow[BatchResult[Any]]:
    """Run *branches* until *completion* is reached, and record the result."""

    def build_effect(frame: Frame) -> FanOut:
        op.place = op.place or call_site()  # for branches: the stack of a branch's thread does not show this line
        branches.check_inputs(op, frame)
        if op.replays_children:
            return _rebuild(op, frame, branches, completion)
        indexes = range(len(branches.names))
        plan = FanOutPlan(indexes, completion, max_concurrency=max_concurrency, batch_size=batch_size)
        return FanOut(frame, plan, partial(branches.open, frame, place=op.place), lambda: _result(plan, branches))

    def compact(result: BatchResult[Any]) -> str:
        return Compact.text_of(result, branches.sub_type.value, summarised(result, summary) if summary else None)

    return context(op, open_frame, build_effect, serdes, compact)


def _result(plan: FanOutPlan, branches: Branches) -> BatchResult[Any]:
    items = (_item(index, branches.names[index], outcome) for index, outcome in plan.outcomes.items())
    return BatchResult(tuple(items), str(plan.reason))


def _item(index: int, name: str | None, outcome: Outcome | None) -> BatchItem[Any]:
    match outcome:
        case Returned(value):
            return BatchItem(index, name, "SUCCEEDED", result=value)
        case Raised(error):
            return BatchItem(index, name, "FAILED", error=error)
        case None:
            return BatchItem(index, name, "STARTED")


def _rebuild(op: OperationHandle, frame: Frame, branches: Branches, completion: Completion) -> FanOut:
    """Rebuild a large result from the branches' records (docs/contributing/protocol.md#large-results)."""
    record = op.record
    compact = Compact.read(record.result if record else None, len(branches.names)) or _derive_outcome(frame, branches)
    ended = [index for index in range(compact.total) if index not in compact.cut_off]
    plan = FanOutPlan(ended, Completion.all_completed(), max_concurrency=1, rebuilds=True)

    def result() -> BatchResult[Any]:
        outcomes = plan.outcomes
        items = (_item(index, branches.names[index], outcomes.get(index)) for index in range(compact.total))
        return BatchResult(tuple(items), compact.reason or _reason(plan, completion, len(branches.names)))

    return FanOut(frame, plan, partial(branches.open_ended, frame), result)


def _derive_outcome(frame: Frame, branches: Branches) -> Compact:
    """Derive the outcome from the branches' records, for a fan-out recorded by an older SDK."""
    total = len(branches.names)
    cut_off = frozenset(index for index in range(total) if not frame.branch_has_ended(index, flat=branches.flat))
    return Compact(total, cut_off, "")


def _reason(plan: FanOutPlan, completion: Completion, total: int) -> str:
    failed = sum(isinstance(outcome, Raised) for outcome in plan.outcomes.values())
    status = FanOutStatus(total, len(plan.outcomes) - failed, failed, {})
    return str(completion.reason(status) or CompletionReason.ALL_COMPLETED)
