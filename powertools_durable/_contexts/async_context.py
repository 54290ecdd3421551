"""The context of ``async def`` handlers: the methods of `DurableContext`, which return a `DurableTask` here.

A method takes the operation's id and begins the operation when it is called; ``await`` waits for the result. The user's
functions may be ``async def``, which run on the event loop, or ``def``, which run on threads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, TypeVarTuple, Unpack, overload

from powertools_durable import _contexts as contexts
from powertools_durable._contexts.base_context import BaseContext
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.semantics import Nesting, StepSemantics

if TYPE_CHECKING:
    from powertools_durable._contexts.option_types import (
        CreateCallbackOptions,
        InvokeOptions,
        SubmitOptions,
        TypeAdapter,
        TypeForm,
    )
    from powertools_durable._contexts.saga import Saga
    from powertools_durable._operations.compensation import CompensationResult
    from powertools_durable._protocol.duration import Duration
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable._runtime.durable_task import DurableTask
    from powertools_durable._runtime.session import Session
    from powertools_durable.batch import BatchResult
    from powertools_durable.completion import Completion
    from powertools_durable.retry import Polling, PollingPolicy, RetryPolicy
    from powertools_durable.scope import ReplayState
    from powertools_durable.serdes.base import SerDes

__all__ = ["AsyncCallback", "AsyncDurableContext"]

E = TypeVar("E")
S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AsyncCallback(Generic[T]):
    """An id that an external system may answer, and the answer; see `Callback`.

    Attributes
    ----------
    callback_id : str
        Give it only to the person or system that shall answer: knowing it is the permission.
    """

    __slots__ = ("_context", "_op", "_serdes", "callback_id")

    def __init__(self, context: AsyncDurableContext, op: OperationHandle, callback_id: str, serdes: SerDes[T]) -> None:
        self.callback_id = callback_id
        self._context = context
        self._op = op
        self._serdes = serdes

    def __repr__(self) -> str:
        return f"<AsyncCallback {self._op.name or self._op.id[:8]!r}, {self._op.status}>"

    def result(self) -> DurableTask[T]:
        """Wait for the answer; see `Callback.result`."""
        context = self._context
        core = context._here()  # noqa: SLF001 - a context and its callbacks belong together
        return context._drive(contexts.calls.callback_result(core, self._op, self._serdes))  # noqa: SLF001


class AsyncDurableContext(BaseContext):
    """The durable operations of one execution, for ``async def`` handlers.

    Each method takes the id of its operation and begins it when it is called, and returns a `DurableTask`: await it, or
    pass it to `asyncio.gather`. Tasks that the handler creates may use the context too. The ids of their operations are
    derived from the place where the task was created, so the tasks may run in any order on a replay.

    A suspension cancels the tasks: ``finally`` and ``async with`` blocks run, and later the handler runs again from the
    top and comes back to the same place.
    """

    __slots__ = ("_drive",)

    def __init__(self, session: Session, frame: Frame) -> None:
        super().__init__(session, frame)
        self._core.awaits = True
        self._drive = session.async_driver.drive

    def _here(self) -> ContextCore:
        from powertools_durable._runtime.task_places import current_place

        place, own = current_place(), self._core
        if place is None or place.step is not None or place is own.frame.owner:
            return own
        owner = self._core.session.async_driver.place_of(own.frame)
        if place.run is not owner.run:
            return own  # its `guard` refuses the call
        if not isinstance(place.core, ContextCore):
            place.core = own.at(place.frame, place.position)
        return place.core

    def _replay_state(self) -> ReplayState:
        return self._core.session.async_driver.place_of(self._here().frame).replay_state

    @overload
    def step(
        self,
        func: Callable[[*Ts], Awaitable[T]],
        *args: *Ts,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    @overload
    def step(
        self,
        func: Callable[[*Ts], T],
        *args: *Ts,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    def step(
        self,
        func: Callable[[*Ts], Any],
        *args: *Ts,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Run a function once and record its result.

        See `DurableContext.step`.
        """
        return self._drive(
            contexts.calls.step(
                self._here(),
                func,
                args,
                name=name,
                retry=retry,
                semantics=semantics,
                timeout=timeout,
                returns=returns,
                serdes=serdes,
                sub_type=sub_type,
                unknown=unknown,
            )
        )

    def wait(self, duration: Duration, *, name: str | None = None) -> DurableTask[None]:
        """Suspend the execution for a time; meanwhile nothing runs, and no compute time is charged.

        See `DurableContext.wait`.
        """
        return self._drive(contexts.calls.wait(self._here(), duration, name))

    def wait_until(self, moment: datetime, *, name: str | None = None) -> DurableTask[None]:
        """Suspend the execution until *moment*, for at least one second.

        See `DurableContext.wait_until`.
        """
        return self._drive(contexts.calls.wait_until(self._here(), moment, name))

    def now(self) -> DurableTask[datetime]:
        """Return the current time, which is recorded: it is the same on every replay.

        See `DurableContext.now`.
        """
        return self._drive(contexts.calls.now(self._core))

    @overload
    def create_callback(
        self, *, returns: None = None, serdes: None = None, **options: Unpack[CreateCallbackOptions]
    ) -> DurableTask[AsyncCallback[str | None]]: ...

    @overload
    def create_callback(
        self, *, returns: None = None, serdes: SerDes[T], **options: Unpack[CreateCallbackOptions]
    ) -> DurableTask[AsyncCallback[T]]: ...

    @overload
    def create_callback(
        self, *, returns: TypeAdapter[T], serdes: SerDes[Any] | None = None, **options: Unpack[CreateCallbackOptions]
    ) -> DurableTask[AsyncCallback[T]]: ...

    @overload
    def create_callback(
        self, *, returns: TypeForm[T], serdes: SerDes[Any] | None = None, **options: Unpack[CreateCallbackOptions]
    ) -> DurableTask[AsyncCallback[T]]: ...

    def create_callback(
        self,
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        sub_type: str | None = None,
    ) -> DurableTask[AsyncCallback[Any]]:
        """Have the service create an id that an external system can answer.

        See `DurableContext.create_callback`.
        """
        return self._drive(
            contexts.calls.create_callback(
                self._here(),
                partial(AsyncCallback, self),
                name=name,
                timeout=timeout,
                heartbeat_timeout=heartbeat_timeout,
                returns=returns,
                serdes=serdes,
                sub_type=sub_type,
            )
        )

    @overload
    def wait_for_condition(
        self,
        check: Callable[[S], Awaitable[S]],
        *,
        initial: S,
        polling: Polling | PollingPolicy,
        timeout: Duration | None = None,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[S] | None = None,
        **unknown: Never,
    ) -> DurableTask[S]: ...

    @overload
    def wait_for_condition(
        self,
        check: Callable[[S], S],
        *,
        initial: S,
        polling: Polling | PollingPolicy,
        timeout: Duration | None = None,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[S] | None = None,
        **unknown: Never,
    ) -> DurableTask[S]: ...

    def wait_for_condition(
        self,
        check: Callable[..., Any],
        *,
        initial: Any,
        polling: Polling | PollingPolicy,
        timeout: Duration | None = None,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Call a function repeatedly until a condition is met; the execution is suspended between two calls.

        See `DurableContext.wait_for_condition`.
        """
        return self._drive(
            contexts.calls.wait_for_condition(
                self._here(),
                check,
                initial=initial,
                polling=polling,
                timeout=timeout,
                name=name,
                returns=returns,
                serdes=serdes,
                unknown=unknown,
            )
        )

    @overload
    def invoke(
        self,
        function_name: str,
        payload: Any = None,
        *,
        returns: None = None,
        serdes: None = None,
        **options: Unpack[InvokeOptions],
    ) -> DurableTask[Any]: ...

    @overload
    def invoke(
        self,
        function_name: str,
        payload: Any = None,
        *,
        returns: None = None,
        serdes: SerDes[T],
        **options: Unpack[InvokeOptions],
    ) -> DurableTask[T]: ...

    @overload
    def invoke(
        self,
        function_name: str,
        payload: Any = None,
        *,
        returns: TypeAdapter[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[InvokeOptions],
    ) -> DurableTask[T]: ...

    @overload
    def invoke(
        self,
        function_name: str,
        payload: Any = None,
        *,
        returns: TypeForm[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[InvokeOptions],
    ) -> DurableTask[T]: ...

    def invoke(
        self,
        function_name: str,
        payload: Any = None,
        *,
        name: str | None = None,
        tenant_id: str | None = None,
        returns: Any = None,
        payload_serdes: SerDes[Any] | None = None,
        serdes: SerDes[Any] | None = None,
    ) -> DurableTask[Any]:
        """Invoke another Lambda function; the execution is suspended until it has answered.

        See `DurableContext.invoke`.
        """
        return self._drive(
            contexts.calls.invoke(
                self._here(),
                function_name,
                payload,
                name=name,
                tenant_id=tenant_id,
                returns=returns,
                payload_serdes=payload_serdes,
                serdes=serdes,
            )
        )

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: None = None,
        serdes: None = None,
        **options: Unpack[SubmitOptions],
    ) -> DurableTask[str | None]: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: None = None,
        serdes: SerDes[T],
        **options: Unpack[SubmitOptions],
    ) -> DurableTask[T]: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: TypeAdapter[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> DurableTask[T]: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: TypeForm[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> DurableTask[T]: ...

    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        name: str | None = None,
        timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Submit a callback id, and suspend the execution until it is answered.

        See `DurableContext.wait_for_callback`.
        """
        return self._drive(
            contexts.calls.wait_for_callback(
                self._here(),
                submit,
                args,
                name=name,
                timeout=timeout,
                heartbeat_timeout=heartbeat_timeout,
                retry=retry,
                returns=returns,
                serdes=serdes,
                unknown=unknown,
            )
        )

    @overload
    def run_in_child_context(
        self,
        func: Callable[[AsyncDurableContext, *Ts], Awaitable[T]],
        *args: *Ts,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        virtual: bool = False,
        summary: Callable[[T], str] | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    @overload
    def run_in_child_context(
        self,
        func: Callable[[AsyncDurableContext, *Ts], T],
        *args: *Ts,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        virtual: bool = False,
        summary: Callable[[T], str] | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    def run_in_child_context(
        self,
        func: Callable[[AsyncDurableContext, *Ts], Any],
        *args: *Ts,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        sub_type: str | None = None,
        virtual: bool = False,
        summary: Callable[[Any], str] | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Run a function in its own context, with one record for its result.

        See `DurableContext.run_in_child_context`.
        """
        return self._drive(
            contexts.calls.run_in_child_context(
                self._here(),
                func,
                args,
                name=name,
                returns=returns,
                serdes=serdes,
                sub_type=sub_type,
                virtual=virtual,
                summary=summary,
                unknown=unknown,
            )
        )

    child_context = run_in_child_context

    @overload
    def with_retry(
        self,
        func: Callable[[AsyncDurableContext, *Ts], Awaitable[T]],
        *args: *Ts,
        retry: RetryPolicy,
        name: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    @overload
    def with_retry(
        self,
        func: Callable[[AsyncDurableContext, *Ts], T],
        *args: *Ts,
        retry: RetryPolicy,
        name: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    def with_retry(
        self,
        func: Callable[[AsyncDurableContext, *Ts], Any],
        *args: *Ts,
        retry: RetryPolicy,
        name: str | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Run several operations as one, and run them all again when one fails.

        See `DurableContext.with_retry`.
        """
        return self._drive(contexts.calls.with_retry(self._here(), func, args, retry=retry, name=name, unknown=unknown))

    @overload
    def parallel(
        self,
        branches: Sequence[Callable[[AsyncDurableContext], Awaitable[T]]]
        | Mapping[str, Callable[[AsyncDurableContext], Awaitable[T]]],
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
    ) -> DurableTask[BatchResult[T]]: ...

    @overload
    def parallel(
        self,
        branches: Sequence[Callable[[AsyncDurableContext], T]] | Mapping[str, Callable[[AsyncDurableContext], T]],
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
    ) -> DurableTask[BatchResult[T]]: ...

    def parallel(
        self,
        branches: Sequence[Callable[..., Any]] | Mapping[str, Callable[..., Any]],
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        completion: Completion | None = None,
        nesting: Nesting = Nesting.NESTED,
        returns: Any = None,
        item_serdes: SerDes[Any] | None = None,
        serdes: SerDes[BatchResult[Any]] | None = None,
        summary: Callable[[BatchResult[Any]], str] | None = None,
        **unknown: Never,
    ) -> DurableTask[BatchResult[Any]]:
        """Run several functions concurrently, each in its own context.

        See `DurableContext.parallel`.
        """
        return self._drive(
            contexts.fan_out_calls.parallel(
                self._here(),
                branches,
                name=name,
                max_concurrency=max_concurrency,
                completion=completion,
                nesting=nesting,
                returns=returns,
                item_serdes=item_serdes,
                serdes=serdes,
                summary=summary,
                unknown=unknown,
            )
        )

    @overload
    def map(
        self,
        func: Callable[[AsyncDurableContext, E], Awaitable[T]],
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
    ) -> DurableTask[BatchResult[T]]: ...

    @overload
    def map(
        self,
        func: Callable[[AsyncDurableContext, E], T],
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
    ) -> DurableTask[BatchResult[T]]: ...

    def map(
        self,
        func: Callable[..., Any],
        items: Sequence[Any] | enumerate[Any],
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        batch_size: int | None = None,
        completion: Completion | None = None,
        nesting: Nesting = Nesting.NESTED,
        item_name: Callable[[Any, int], str] | None = None,
        returns: Any = None,
        item_serdes: SerDes[Any] | None = None,
        serdes: SerDes[BatchResult[Any]] | None = None,
        summary: Callable[[BatchResult[Any]], str] | None = None,
        **unknown: Never,
    ) -> DurableTask[BatchResult[Any]]:
        """Run a function for each item concurrently, each in its own context.

        See `DurableContext.map`.
        """
        return self._drive(
            contexts.fan_out_calls.map_(
                self._here(),
                func,
                items,
                name=name,
                max_concurrency=max_concurrency,
                batch_size=batch_size,
                completion=completion,
                nesting=nesting,
                item_name=item_name,
                returns=returns,
                item_serdes=item_serdes,
                serdes=serdes,
                summary=summary,
                unknown=unknown,
            )
        )

    @overload
    def step_with_compensation(
        self,
        func: Callable[[*Ts], Awaitable[T]],
        *args: *Ts,
        compensate: Callable[..., Any],
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    @overload
    def step_with_compensation(
        self,
        func: Callable[[*Ts], T],
        *args: *Ts,
        compensate: Callable[..., Any],
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[T]: ...

    def step_with_compensation(
        self,
        func: Callable[[*Ts], Any],
        *args: *Ts,
        compensate: Callable[..., Any],
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        sub_type: str | None = None,
        **unknown: Never,
    ) -> DurableTask[Any]:
        """Run a step; when it has succeeded, register a function that undoes it.

        See `DurableContext.step_with_compensation`.
        """
        return self._drive(
            contexts.saga_calls.step_with_compensation(
                self._here(),
                func,
                args,
                compensate=compensate,
                name=name,
                retry=retry,
                semantics=semantics,
                timeout=timeout,
                returns=returns,
                serdes=serdes,
                sub_type=sub_type,
                unknown=unknown,
            )
        )

    @overload
    def race(
        self, contestants: Mapping[str, Awaitable[T]], *, name: str | None = None, cancel: bool = False
    ) -> DurableTask[tuple[str, T]]: ...

    @overload
    def race(
        self, contestants: Mapping[str, Awaitable[Any]], *, name: str | None = None, cancel: bool = False
    ) -> DurableTask[tuple[str, Any]]: ...

    @overload
    def race(
        self, contestants: Sequence[Awaitable[T]], *, name: str | None = None, cancel: bool = False
    ) -> DurableTask[tuple[int, T]]: ...

    @overload
    def race(
        self, contestants: Sequence[Awaitable[Any]], *, name: str | None = None, cancel: bool = False
    ) -> DurableTask[tuple[int, Any]]: ...

    def race(
        self, contestants: Mapping[str, Any] | Sequence[Any], *, name: str | None = None, cancel: bool = False
    ) -> DurableTask[tuple[Any, Any]]:
        """Wait for the first of several durable calls and tasks to end, and record which one it was.

        Parameters
        ----------
        contestants : Mapping[str, Awaitable] | Sequence[Awaitable]
            `DurableTask` objects, tasks of this context, or coroutines, which are wrapped in tasks in order. A
            contestant of a sequence has its index as key.
        name : str | None
            Name of the operation.
        cancel : bool
            Cancel the others: steps and contexts that run are recorded as failed with `OperationCancelledError`; other
            operations are only no longer awaited.

        Returns
        -------
        DurableTask[tuple]
            The key of the winner, and its result. A failure wins too: it is raised, and its ``contestant`` is the key.

        Raises
        ------
        ValidationError
            There are no contestants, or one occurs twice or belongs to another context.
        NonDeterminismError
            The recorded winner is not among them.
        """
        from powertools_durable._contexts.race_calls import race

        return race(self._here(), contestants, name=name, cancel=cancel)

    # -- sagas -------------------------------------------------------------------------------------------

    def run_compensations(self) -> DurableTask[CompensationResult]:
        """Undo the steps of this context, the last one first.

        See `DurableContext.run_compensations`.
        """
        core = self._here()
        return core.session.async_driver.run_series(contexts.saga_calls.run_compensations(core))

    def saga(self) -> AbstractAsyncContextManager[Saga]:
        """Undo the steps of a block if it raises: ``async with ctx.saga() as saga:``; see `DurableContext.saga`."""
        from powertools_durable._contexts.saga import AsyncSagaBlock

        return AsyncSagaBlock(self._here())

    # -- changing code in flight, and batch mode -----------------------------------------------------------

    def patched(self, name: str) -> bool:
        """Return whether this execution takes the new path of a change; see `DurableContext.patched`."""
        core = self._here()
        return core.session.async_driver.at_once(contexts.calls.patched(core, name))

    def batch(self) -> AbstractAsyncContextManager[None]:
        """Enable batch mode for a block: ``async with ctx.batch():``; see `DurableContext.batch`."""
        from powertools_durable._contexts.saga import AsyncBatchBlock

        return AsyncBatchBlock(self._here())

    def flush_batch(self) -> DurableTask[None]:
        """Send the updates that batch mode holds back, and wait until the service has acknowledged them."""
        core = self._here()
        core.guard("flush_batch")
        return core.session.async_driver.run_series(contexts.calls.flush(core))
