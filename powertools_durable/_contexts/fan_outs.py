"""The calls that run code side by side, each with a context of its own: parallel and map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Never, TypeVar

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.containers import Containers
from powertools_durable._frozen import frozen
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import OperationType, SubType

if TYPE_CHECKING:
    from powertools_durable._contexts.blocking import DurableContext
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable.batch import BatchResult
    from powertools_durable.completion import Completion
    from powertools_durable.serdes.base import SerDes

__all__ = ["FanOuts"]

E = TypeVar("E")
T = TypeVar("T")


@frozen
class _FanOut:
    """What `parallel` and `map` differ in."""

    call: str
    sub_type: SubType
    item_type: SubType
    name: str | None
    names: Sequence[str | None]
    body: Callable[[int, Frame], Any]
    results: Sequence[SerDes[Any]]
    called: Sequence[tuple[Callable[..., Any], int, str]]


class FanOuts(Containers):
    """Operations with several others side by side inside."""

    __slots__ = ()

    def parallel(
        self,
        branches: Sequence[Callable[[DurableContext], T]] | Mapping[str, Callable[[DurableContext], T]],
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        completion: Completion | None = None,
        nesting: Nesting = Nesting.NESTED,
        returns: Any = None,
        item_serdes: SerDes[T] | None = None,
        serdes: SerDes[BatchResult[T]] | None = None,
        summary: Callable[[BatchResult[T]], str] | None = None,
        **unknown: Never,
    ) -> BatchResult[T]:
        """Run several functions side by side, each with a context of its own.

        Parameters
        ----------
        branches : Sequence | Mapping
            Functions of a context; with a mapping its keys are the branches' names, otherwise they are
            ``parallel-branch-0`` and so on.
        name : str | None
            For the history.
        max_concurrency : int | None
            How many may be in flight, waiting ones included; None is all.
        completion : Completion | None
            When it is done; default: ``Completion.all_successful()``, so the first failure ends it.
        nesting : Nesting
            ``FLAT`` leaves no record of the branches, only of their operations.
        returns : type | None
            Type of the branches' results; default: each function's return annotation.
        item_serdes : SerDes | None
            How a branch's result is written, in place of what its type asks for; the record of the whole repeats
            the results, and repeats them so.
        serdes : SerDes | None
            How the whole result is written; also each branch's, if ``item_serdes`` is not given.
        summary : Callable | None
            Makes a text that is recorded beside a result over 256 KiB.

        Returns
        -------
        BatchResult
            What became of each branch that was started, in index order. Failures are told there, not raised;
            call its ``raise_if_failed()`` to raise them. Its ``results`` raise if more failed than are tolerated.

        Raises
        ------
        SerDesError
            A branch's result can't be written or read, whatever *completion* tolerates.
        ValidationError
            The call is wrong; nothing was recorded. Source: protocol.md 12.
        """
        from powertools_durable.completion import Completion

        binding.refuse_unknown("function", "parallel", unknown)
        functions = arguments.branches(branches)
        names = arguments.branch_names(functions)
        bodies = list(functions.values())
        each: SerDes[Any] | None = item_serdes or serdes
        written: list[SerDes[Any]] = [self._serdes(body, returns, each) for body in bodies]

        def run(index: int, frame: Frame) -> Any:
            return bodies[index](self._below(frame))

        called = [(body, 1, "the context") for body in bodies]
        fan = _FanOut("parallel", SubType.PARALLEL, SubType.PARALLEL_BRANCH, name, names, run, written, called)
        return self._fan_out(
            fan, completion or Completion.all_successful(), max_concurrency, None, nesting, item_serdes, serdes, summary
        )

    def map(
        self,
        func: Callable[[DurableContext, E], T],
        items: Sequence[E] | enumerate[Any],
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        batch_size: int | None = None,
        completion: Completion | None = None,
        nesting: Nesting = Nesting.NESTED,
        item_name: Callable[[E, int], str] | None = None,
        returns: Any = None,
        item_serdes: SerDes[T] | None = None,
        serdes: SerDes[BatchResult[T]] | None = None,
        summary: Callable[[BatchResult[T]], str] | None = None,
        **unknown: Never,
    ) -> BatchResult[T]:
        """Run a function for each item, side by side, each with a context of its own.

        The other parameters, the result and what is raised are those of `parallel`.

        Parameters
        ----------
        func : Callable
            Called as ``func(child, item)``; for the index pass ``enumerate(items)``.
        items : Sequence
            A list, or something else that has the same order on every replay. They are not recorded: take them
            from the event or from a step.
        batch_size : int | None
            Items run in groups of so many: the next group starts when the one before has ended.
        completion : Completion | None
            When it is done; default: without any criterion, so the first failure ends it.
        item_name : Callable | None
            Names an item, given it and its index; default: ``map-item-0`` and so on.
        """
        from powertools_durable.completion import Completion

        binding.refuse_unknown(func, "map", unknown)
        arguments.callable_(func, "map", items)
        inputs = arguments.items(items)
        with self._frame.busy("the item_name of ctx.map()"):
            names = arguments.item_names(inputs, item_name)
        each: SerDes[Any] | None = item_serdes or serdes
        written: list[SerDes[Any]] = [self._serdes(func, returns, each)] * len(inputs)

        def run(index: int, frame: Frame) -> Any:
            return func(self._below(frame), inputs[index])

        shown = arguments.name_of(func, name)
        called = [(func, 2, "the context")]
        fan = _FanOut("map", SubType.MAP, SubType.MAP_ITERATION, shown, names, run, written, called)
        return self._fan_out(
            fan, completion or Completion(), max_concurrency, batch_size, nesting, item_serdes, serdes, summary
        )

    def _fan_out(  # noqa: PLR0917 - the options of `map`
        self,
        fan: _FanOut,
        completion: Completion,
        max_concurrency: int | None,
        batch_size: int | None,
        nesting: Nesting,
        item_serdes: SerDes[Any] | None,
        serdes: SerDes[BatchResult[Any]] | None,
        summary: Callable[[BatchResult[Any]], str] | None,
    ) -> BatchResult[Any]:
        arguments.check_completion(completion, fan.call)
        completion.check_total(len(fan.names))
        arguments.check_count(max_concurrency, "max_concurrency")
        arguments.check_count(batch_size, "batch_size")
        arguments.check_serdes(serdes)
        flat = arguments.is_flat(nesting)
        op = self._begin(fan.call, OperationType.CONTEXT, fan.sub_type, arguments.name_of(None, fan.name))
        if op.runs_body:
            for function, count, before in fan.called:
                binding.bind(function, count, fan.call, before=before)
            if completion.when is not None:
                binding.bind(completion.when, 1, fan.call, role="when", before="the status")
            if summary is not None:
                binding.bind(summary, 1, fan.call, role="summary", before="the result")
        branches = operations.fan_out.Branches(
            sub_type=fan.item_type, names=fan.names, body=fan.body, serdes=fan.results, flat=flat
        )
        flow = operations.fan_out.fan_out(
            op,
            partial(self._frame.child, op),
            branches,
            completion,
            self._batch_serdes(op, fan, item_serdes, serdes),
            max_concurrency=max_concurrency,
            batch_size=batch_size,
            summary=summary,
        )
        return self._drive(op, flow)

    def _batch_serdes(
        self,
        op: OperationHandle,
        fan: _FanOut,
        item_serdes: SerDes[Any] | None,
        serdes: SerDes[BatchResult[Any]] | None,
    ) -> SerDes[BatchResult[Any]]:
        """Return how the whole is written: what covers a branch's result covers the record that repeats it."""
        from powertools_durable._replay.frame import operation_id
        from powertools_durable.serdes.batch_format import batch_serdes
        from powertools_durable.serdes.wrapping import WrappingSerDes, innermost_of

        if serdes is not None and not isinstance(serdes, WrappingSerDes):
            return serdes
        formats = [innermost_of(each) for each in fan.results]
        plain = batch_serdes(formats, fan.names, lambda index: operation_id(f"{op.id}-{index}"))
        candidates = (serdes, item_serdes, self._session.program.serdes)
        wrapping = next((given for given in candidates if isinstance(given, WrappingSerDes)), None)
        return plain if wrapping is None else wrapping.around_batch(plain)
