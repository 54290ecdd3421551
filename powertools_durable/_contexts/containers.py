"""The calls that run code with a context of its own: child context, with_retry, parallel, map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments
from powertools_durable._contexts.submitting import Submitting
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._protocol.record import record

if TYPE_CHECKING:
    from powertools_durable._contexts.blocking import DurableContext
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable.batch import BatchResult
    from powertools_durable.completion import Completion
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Containers"]

E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@record
class _FanOut:
    """What `parallel` and `map` differ in."""

    call: str
    sub_type: SubType
    item_type: SubType
    name: str | None
    names: Sequence[str | None]
    body: Callable[[int, Frame], Any]
    results: Sequence[SerDes[Any]]


class Containers(Submitting):
    """Operations with operations inside."""

    __slots__ = ()

    def run_in_child_context(
        self,
        func: Callable[[DurableContext, *Ts], T],
        *args: *Ts,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        virtual: bool = False,
        summary: Callable[[T], str] | None = None,
    ) -> T:
        """Run a function with a context of its own, and write its result down as one.

        Parameters
        ----------
        func, *args
            Called as ``func(child, *args)``; it uses *child* for its operations.
        name : str | None
            Default: the function's name.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of what its type asks for.
        sub_type : str | None
            A label of your own in the history.
        virtual : bool
            Leave no record of the context itself, only of its operations: saves two updates, but the function
            runs again on every replay.
        summary : Callable | None
            Makes the text that is recorded in place of a result over 256 KiB; such a result is rebuilt by
            running the function again over its operations' records.

        Returns
        -------
        T
            The function's result, as every replay sees it.

        Raises
        ------
        ChildContextError
            The function raised; ``error_type`` and ``message`` are those of its exception.
        SerDesError
            The result can't be recorded. Source: protocol.md 11.7.
        """
        arguments.callable_(func, "run_in_child_context")
        sub_type = arguments.sub_type_or(SubType.RUN_IN_CHILD_CONTEXT, sub_type)
        written = self._serdes(func, returns, serdes)
        op = self._begin(
            "run_in_child_context", OperationType.CONTEXT, sub_type, arguments.name_of(func, name), virtual=virtual
        )

        def body(frame: Frame) -> T:
            return func(self._below(frame), *args)

        if virtual:
            return self._drive(
                op, operations.child.virtual_child(op, self._frame.child(op, virtual=True), body, written)
            )
        return self._drive(op, operations.child.child(op, partial(self._frame.child, op), body, written, summary))

    child_context = run_in_child_context

    def with_retry(
        self,
        func: Callable[[DurableContext, *Ts], T],
        *args: *Ts,
        retry: RetryPolicy,
        name: str | None = None,
    ) -> T:
        """Run several operations as one, and run them all again when one fails.

        Each attempt makes operations of its own; between two the execution is suspended.

        Parameters
        ----------
        func, *args
            Called as ``func(child, *args)``, once for each attempt.
        retry : Retry
            When to try again. Whether it does must depend on the error alone: it is asked again on every replay.
        name : str | None
            Default: the function's name.

        Returns
        -------
        T
            What the last attempt returned.

        Raises
        ------
        ChildContextError
            Every attempt failed; ``error_type`` and ``message`` are the last one's. Source: protocol.md 13.
        """
        arguments.callable_(func, "with_retry")
        arguments.required_retry(retry, "with_retry")
        shown = arguments.name_of(func, name)

        from powertools_durable._runtime.signals import UNRECOVERABLE
        from powertools_durable.errors import SerDesError
        from powertools_durable.retry import decide

        def attempts(child: DurableContext) -> T:
            for attempt in count(1):
                try:
                    return func(child, *args)
                except (*UNRECOVERABLE, SerDesError):  # another attempt would make such a value again
                    raise
                except Exception as error:
                    with child._frame.busy("the retry policy of ctx.with_retry()"):  # noqa: SLF001 - its own kind
                        delay = decide(retry, error, attempt, self._session.engine.random)
                    if delay is None:
                        raise
                    if (failures := self._session.driver.failures) is not None:
                        failures.of_retried_calls(child._frame, shown, attempt, delay, error)  # noqa: SLF001 - of its own class
                child.wait(
                    delay, name=operations.wait_for_callback.inner_name(shown, f"-backoff-{attempt}") if shown else None
                )
            raise AssertionError

        written: SerDes[T] = self._serdes(func, None, None)
        return self.run_in_child_context(attempts, name=shown or "", serdes=written)

    # -- side by side --------------------------------------------------------------------------------------

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

        functions = arguments.branches(branches)
        names = arguments.branch_names(functions)
        bodies = list(functions.values())
        each: SerDes[Any] | None = item_serdes or serdes
        written: list[SerDes[Any]] = [self._serdes(body, returns, each) for body in bodies]

        def run(index: int, frame: Frame) -> Any:
            return bodies[index](self._below(frame))

        fan = _FanOut("parallel", SubType.PARALLEL, SubType.PARALLEL_BRANCH, name, names, run, written)
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

        arguments.callable_(func, "map")
        inputs = arguments.items(items)
        with self._frame.busy("the item_name of ctx.map()"):
            names = arguments.item_names(inputs, item_name)
        each: SerDes[Any] | None = item_serdes or serdes
        written: list[SerDes[Any]] = [self._serdes(func, returns, each)] * len(inputs)

        def run(index: int, frame: Frame) -> Any:
            return func(self._below(frame), inputs[index])

        shown = arguments.name_of(func, name)
        fan = _FanOut("map", SubType.MAP, SubType.MAP_ITERATION, shown, names, run, written)
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
        from powertools_durable.serdes.batch import batch_serdes
        from powertools_durable.serdes.wrapping import WrappingSerDes, innermost_of

        if serdes is not None and not isinstance(serdes, WrappingSerDes):
            return serdes
        formats = [innermost_of(each) for each in fan.results]
        plain = batch_serdes(formats, fan.names, lambda index: operation_id(f"{op.id}-{index}"))
        candidates = (serdes, item_serdes, self._session.program.serdes)
        wrapping = next((given for given in candidates if isinstance(given, WrappingSerDes)), None)
        return plain if wrapping is None else wrapping.around_batch(plain)
