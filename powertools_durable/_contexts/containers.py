"""The calls that run code with one context of its own: child context, wait_for_callback, with_retry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Never, TypeVar, TypeVarTuple

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.submitting import Submitting
from powertools_durable._protocol.operation import OperationType, SubType

if TYPE_CHECKING:
    from powertools_durable._contexts.blocking import DurableContext
    from powertools_durable._replay.frame import Frame
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Containers"]

E = TypeVar("E")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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
        **unknown: Never,
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
        binding.refuse_unknown(func, "run_in_child_context", unknown)
        arguments.callable_(func, "run_in_child_context", *args)
        sub_type = arguments.sub_type_or(SubType.RUN_IN_CHILD_CONTEXT, sub_type)
        written = self._serdes(func, returns, serdes)
        op = self._begin(
            "run_in_child_context", OperationType.CONTEXT, sub_type, arguments.name_of(func, name), virtual=virtual
        )
        if op.runs_body:
            binding.bind(func, 1 + len(args), "run_in_child_context", before="the context")
            if summary is not None:
                binding.bind(summary, 1, "run_in_child_context", role="summary", before="the result")

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
        **unknown: Never,
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
        binding.refuse_unknown(func, "with_retry", unknown)
        arguments.callable_(func, "with_retry", *args)
        arguments.required_retry(retry, "with_retry")
        self._guard("with_retry")
        ahead = self._frame.recorded_ahead()
        if ahead is None or not ahead.status.is_terminal:
            binding.bind(func, 1 + len(args), "with_retry", before="the context")
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
