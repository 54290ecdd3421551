"""The calls of `parallel` and `map`; see `calls`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.core import ContextCore
from powertools_durable._frozen import frozen
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.effects import Call
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.batch import BatchResult
from powertools_durable.completion import Completion
from powertools_durable.serdes.base import SerDes
from powertools_durable.serdes.batch_format import batch_serdes
from powertools_durable.serdes.wrapping import WrappingSerDes, innermost_of

__all__ = ["map_", "parallel"]

T = TypeVar("T")


@frozen
class _Branches:
    """The differences between `parallel` and `map`."""

    call: str
    sub_type: SubType
    item_type: SubType
    name: str | None
    names: Sequence[str | None]
    body: Callable[[int, Frame], Any]
    results: Sequence[SerDes[Any]]
    called: Sequence[tuple[Callable[..., Any], int, str]]


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
    binding.refuse_unknown("function", "parallel", unknown)
    functions = arguments.branches(branches)
    names = arguments.branch_names(functions)
    bodies = list(functions.values())
    each: SerDes[Any] | None = item_serdes or serdes
    written: list[SerDes[Any]] = [core.serdes(body, returns, each) for body in bodies]

    def run(index: int, frame: Frame) -> Any:
        return bodies[index](core.below(frame))

    called = [(body, 1, "the context") for body in bodies]
    these = _Branches("parallel", SubType.PARALLEL, SubType.PARALLEL_BRANCH, name, names, run, written, called)
    completion = completion or Completion.all_successful()
    return _fan_out(core, these, completion, max_concurrency, None, nesting, item_serdes, serdes, summary)


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
    binding.refuse_unknown(func, "map", unknown)
    arguments.callable_(func, "map", items)
    inputs = arguments.items(items)
    with core.frame.busy("the item_name of ctx.map()"):
        names = arguments.item_names(inputs, item_name)
    each: SerDes[Any] | None = item_serdes or serdes
    written: list[SerDes[Any]] = [core.serdes(func, returns, each)] * len(inputs)

    def run(index: int, frame: Frame) -> Any:
        return func(core.below(frame), inputs[index])

    op_name = arguments.name_of(func, name)
    called = [(func, 2, "the context")]
    these = _Branches("map", SubType.MAP, SubType.MAP_ITERATION, op_name, names, run, written, called)
    completion = completion or Completion()
    return _fan_out(core, these, completion, max_concurrency, batch_size, nesting, item_serdes, serdes, summary)


def _fan_out(  # noqa: PLR0917 - the options of `map`
    core: ContextCore,
    these: _Branches,
    completion: Completion,
    max_concurrency: int | None,
    batch_size: int | None,
    nesting: Nesting,
    item_serdes: SerDes[Any] | None,
    serdes: SerDes[BatchResult[Any]] | None,
    summary: Callable[[BatchResult[Any]], str] | None,
) -> Call[BatchResult[Any]]:
    arguments.check_completion(completion, these.call)
    completion.check_total(len(these.names))
    arguments.check_count(max_concurrency, "max_concurrency")
    arguments.check_count(batch_size, "batch_size")
    arguments.check_serdes(serdes)
    flat = arguments.is_flat(nesting)
    op = core.begin(these.call, OperationType.CONTEXT, these.sub_type, arguments.name_of(None, these.name))
    if op.runs_body:
        for function, count, before in these.called:
            binding.bind(function, count, these.call, before=before)
        if completion.when is not None:
            binding.bind(completion.when, 1, these.call, role="when", before="the status")
        if summary is not None:
            binding.bind(summary, 1, these.call, role="summary", before="the result")
    flow = operations.fan_out.fan_out(
        op,
        partial(core.frame.child, op),
        operations.fan_out.Branches(
            sub_type=these.item_type, names=these.names, body=these.body, serdes=these.results, flat=flat
        ),
        completion,
        _batch_serdes(op, these, (serdes, item_serdes, core.session.program.serdes)),
        max_concurrency=max_concurrency,
        batch_size=batch_size,
        summary=summary,
    )
    return Call(core.frame, op, flow)


def _batch_serdes(
    op: OperationHandle, these: _Branches, candidates: tuple[SerDes[Any] | None, ...]
) -> SerDes[BatchResult[Any]]:
    """Return the format of the whole result; the format of a branch's result applies to its copy in there, too.

    *candidates* are the serdes of the whole, of each branch, and of the decorator.
    """
    of_the_whole = candidates[0]
    if of_the_whole is not None and not isinstance(of_the_whole, WrappingSerDes):
        return of_the_whole
    formats = [innermost_of(each) for each in these.results]
    plain = batch_serdes(formats, these.names, lambda index: operation_id(f"{op.id}-{index}"))
    wrapping = next((each for each in candidates if isinstance(each, WrappingSerDes)), None)
    return plain if wrapping is None else wrapping.around_batch(plain)
