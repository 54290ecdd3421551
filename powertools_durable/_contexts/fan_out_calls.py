"""The calls of `parallel` and `map`; see `calls`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.fan_out import Branches, fan_out
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.effects import Call
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable.batch import BatchResult
from powertools_durable.completion import Completion
from powertools_durable.serdes.base import SerDes
from powertools_durable.serdes.batch_format import batch_serdes
from powertools_durable.serdes.wrapping import WrappingSerDes, innermost_of

__all__ = ["map_", "parallel"]

T = TypeVar("T")
_DEFAULT = Completion()


def parallel(
    core: ContextCore,
    branches: Sequence[Callable[..., T]] | Mapping[str, Callable[..., T]],
    *,
    name: str | None,
    max_concurrency: int | None,
    completion: Completion | None,
    nesting: Nesting,
    returns: Any,
    item_serdes: SerDes[T] | None,
    serdes: SerDes[BatchResult[T]] | None,
    summary: Callable[[BatchResult[T]], str] | None,
    unknown: Mapping[str, object],
) -> Call[BatchResult[T]]:
    """See `DurableContext.parallel`."""
    if unknown:
        binding.refuse_unknown("function", "parallel", unknown)
    functions = arguments.branches(branches)
    names = arguments.branch_names(functions)
    bodies = list(functions.values())
    formats: list[SerDes[Any]] = [core.serdes(body, returns, item_serdes or serdes) for body in bodies]

    def run(index: int, frame: Frame) -> Any:
        return core.require_finished(bodies[index](core.context_of(frame)), bodies[index])

    return _fan_out(
        core,
        Branches(SubType.PARALLEL, names, run, formats, arguments.is_flat(nesting)),
        arguments.name_of(None, name),
        [(body, 1) for body in bodies],
        completion,
        max_concurrency,
        None,
        (serdes, item_serdes),
        summary,
    )


def map_(
    core: ContextCore,
    func: Callable[..., T],
    items: Any,
    *,
    name: str | None,
    max_concurrency: int | None,
    batch_size: int | None,
    completion: Completion | None,
    nesting: Nesting,
    item_name: Callable[[Any, int], str] | None,
    returns: Any,
    item_serdes: SerDes[T] | None,
    serdes: SerDes[BatchResult[T]] | None,
    summary: Callable[[BatchResult[T]], str] | None,
    unknown: Mapping[str, object],
) -> Call[BatchResult[T]]:
    """See `DurableContext.map`."""
    if unknown:
        binding.refuse_unknown(func, "map", unknown)
    arguments.check_callable(func, "map", items)
    inputs = arguments.items(items)
    with core.frame.busy("the item_name of ctx.map()"):
        names = arguments.item_names(inputs, item_name)
    formats: list[SerDes[Any]] = [core.serdes(func, returns, item_serdes or serdes)] * len(inputs)

    def run(index: int, frame: Frame) -> Any:
        return core.require_finished(func(core.context_of(frame), inputs[index]), func)

    return _fan_out(
        core,
        Branches(SubType.MAP, names, run, formats, arguments.is_flat(nesting)),
        arguments.name_of(func, name),
        [(func, 2)],
        completion,
        max_concurrency,
        batch_size,
        (serdes, item_serdes),
        summary,
    )


def _fan_out(  # noqa: PLR0917 - the options of `map`
    core: ContextCore,
    branches: Branches,
    name: str | None,
    user_functions: Sequence[tuple[Callable[..., Any], int]],
    completion: Completion | None,
    max_concurrency: int | None,
    batch_size: int | None,
    formats: tuple[SerDes[Any] | None, SerDes[Any] | None],
    summary: Callable[[BatchResult[Any]], str] | None,
) -> Call[BatchResult[Any]]:
    """Build the call; *user_functions* come with the number of their arguments, *formats* are of result and items."""
    call, total = branches.sub_type.lower(), len(branches.names)
    if completion is None:
        completion = _DEFAULT
    else:
        arguments.check_completion(completion, call)
        completion.check_total(total)
    arguments.check_count(max_concurrency, "max_concurrency")
    arguments.check_count(batch_size, "batch_size")
    arguments.check_serdes(formats[0])
    op = core.begin(call, OperationType.CONTEXT, branches.sub_type, name)
    if op.runs_body:
        for function, count in user_functions:
            core.bind(function, count, call, before="the context")
        if completion.when is not None:
            binding.bind(completion.when, 1, call, role="when", before="the status")
        if summary is not None:
            binding.bind(summary, 1, call, role="summary", before="the result")
    flow = fan_out(
        op,
        partial(core.frame.child, op),
        branches,
        completion,
        _batch_serdes(op.id, branches, (*formats, core.session.program.serdes)),
        max_concurrency=max_concurrency,
        batch_size=batch_size,
        summary=summary,
    )
    return Call(core.frame, op, flow)


def _batch_serdes(
    op_id: str, branches: Branches, candidates: tuple[SerDes[Any] | None, ...]
) -> SerDes[BatchResult[Any]]:
    """Return the format of the whole result; in it, each branch's result has the format of that branch.

    *candidates* are the serdes for the whole result, for each branch, and of the decorator.
    """
    wrapping = next((each for each in candidates if isinstance(each, WrappingSerDes)), None)
    own = candidates[0]
    if own is not None and own is not wrapping:
        return own
    formats = branches.serdes if wrapping is None else [innermost_of(each) for each in branches.serdes]
    plain = batch_serdes(formats, branches.names, lambda index: operation_id(f"{op_id}-{index}"))
    return plain if wrapping is None else wrapping.around_batch(plain)
