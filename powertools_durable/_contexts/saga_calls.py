"""The calls of compensated steps and of compensations; see `calls`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments, binding, calls
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.compensation import Compensation, CompensationResult, Undo
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.effects import Call, Composite
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import CompensationError
from powertools_durable.serdes.base import PassThrough

__all__ = ["run_compensations", "step_with_compensation", "undo_block"]

T = TypeVar("T")


def step_with_compensation(
    core: ContextCore,
    func: Callable[..., T],
    args: tuple[Any, ...],
    *,
    compensate: Callable[..., Any],
    unknown: Mapping[str, object],
    **options: Any,
) -> Call[T]:
    """See `DurableContext.step_with_compensation`."""
    binding.refuse_unknown(func, "step_with_compensation", unknown)
    arguments.check_callable(compensate, "step_with_compensation", role="compensate")
    before, number = ("the context", 2) if operations.compensation.takes_context(compensate) else ("the result", 1)
    core.bind(compensate, number, "step_with_compensation", role="compensate", before=before)
    call = calls.step(core, func, args, **options)
    return Call(
        core.frame,
        call.op,
        operations.compensation.run_and_register(call, compensate, core.compensations, core.position),
    )


def run_compensations(core: ContextCore) -> Composite[CompensationResult]:
    """See `DurableContext.run_compensations`."""
    core.guard("run_compensations")
    flow = operations.compensation.run_compensations(core.compensations, partial(_compensation, core))
    return Composite(core.frame, flow)


def undo_block(core: ContextCore, since: tuple[Any, ...], error: Exception) -> Composite[CompensationError | None]:
    """Undo the steps of a block that raised *error*; the series returns the error to raise instead, or None."""
    flow = operations.compensation.run_compensations(core.compensations, partial(_compensation, core), since=since)
    return Composite(core.frame, operations.compensation.undo_block(flow, error))


def _compensation(core: ContextCore, registered: Compensation | Undo) -> Call[Any]:
    if isinstance(registered, Undo):
        func = operations.compensation.without_result(registered.func, awaits=core.awaits)
        return calls.step(core, func, registered.args, name=registered.name or "", guarded=False)
    undo, value, frame = registered.undo, registered.value, core.frame
    op = frame.begin(OperationType.CONTEXT, SubType.COMPENSATION, registered.name)

    def body(below: Frame) -> object:
        run = operations.compensation.without_result(undo, awaits=core.awaits)
        result = run(core.context_of(below), value) if operations.compensation.takes_context(undo) else run(value)
        return core.require_finished(result, undo)

    return Call(frame, op, operations.child.child(op, partial(frame.child, op), body, PassThrough()))
