"""The context of ``def`` handlers. Each method drives the call that `calls` builds for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Never, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from powertools_durable import _contexts as contexts
from powertools_durable._contexts.base_context import BaseContext
from powertools_durable._operations.semantics import Nesting, StepSemantics

if TYPE_CHECKING:  # this module is imported for annotations; the engine is loaded with the first context
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
    from powertools_durable._protocol.operation import Operation
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable._runtime.session import Session
    from powertools_durable.backends.base import DurableBackend
    from powertools_durable.batch import BatchResult
    from powertools_durable.completion import Completion
    from powertools_durable.retry import Polling, PollingPolicy, RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Callback", "DurableContext"]

E = TypeVar("E")
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Callback(Generic[T]):
    """An id that an external system may answer, and the answer.

    Attributes
    ----------
    callback_id : str
        Give it only to the person or system that is to answer: anyone who knows it can answer.
    """

    __slots__ = ("_context", "_op", "_serdes", "callback_id")

    def __init__(self, context: DurableContext, op: OperationHandle, callback_id: str, serdes: SerDes[T]) -> None:
        self.callback_id = callback_id
        self._context = context
        self._op = op
        self._serdes = serdes

    def __repr__(self) -> str:
        return f"<Callback {self._op.name or self._op.id[:8]!r}, {self._op.status}>"

    def result(self) -> T:
        """Return the answer; suspend the execution until there is one.

        Returns
        -------
        T
            The payload: raw text, unless ``returns`` or ``serdes`` of `create_callback` say how to read it. None if
            the answer had no payload.

        Raises
        ------
        CallbackExternalError
            The answer was a failure.
        CallbackTimeoutError
            There was no answer, or no heartbeat, in time.
        SerDesError
            The answer does not fit ``returns``.
        """
        context = self._context
        return context._drive(contexts.calls.callback_result(context._core, self._op, self._serdes))  # noqa: SLF001 - a context and its callbacks belong together


class DurableContext(BaseContext):
    """The context of a ``def`` handler: each method is a durable operation.

    An operation that has ended returns its recorded result and is never run again. One that must wait raises
    `SuspendExecution`, which ends this invocation; later the handler runs again from the top and comes back to
    the same place.
    """

    __slots__ = ("_drive",)

    def __init__(self, session: Session, frame: Frame) -> None:
        super().__init__(session, frame)
        self._drive = session.driver.drive

    # -- operations with one record ----------------------------------------------------------------------

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
    ) -> T:
        """Run a function once and record its result.

        Parameters
        ----------
        func, *args
            The function and its positional arguments; for keyword arguments use `functools.partial`.
        name : str | None
            Default: the function's name.
        retry : Retry | None
            When to try again after an exception; default: six attempts, 5 to 60 seconds apart.
        semantics : StepSemantics
            What happens when an invocation dies inside the function: run it again (at least once, the
            default), or count that attempt as failed (at most once).
        timeout : Duration | None
            Seconds one attempt may take; a longer one counts as failed with `StepTimeoutError`. The function
            then runs on its own thread, which continues in the background.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of the format for its type.
        sub_type : str | None
            A label of your own in the history.

        Returns
        -------
        T
            The result, as every replay sees it.

        Raises
        ------
        StepError
            Every attempt failed; ``error_type`` and ``message`` are those of the last exception.
        SerDesError, PayloadTooLargeError
            The result can't be recorded.
        ValidationError
            The call is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.calls.step(
                self._core,
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

    def wait(self, duration: Duration, *, name: str | None = None) -> None:
        """Suspend the execution for a time; meanwhile nothing runs, and no compute time is charged.

        Parameters
        ----------
        duration : timedelta | int | float
            1 second to 366 days; fractions of a second are rounded up.
        name : str | None
            For the history.

        Raises
        ------
        ValidationError
            *duration* is out of this range.
        """
        return self._drive(contexts.calls.wait(self._core, duration, name))

    def wait_until(self, moment: datetime, *, name: str | None = None) -> None:
        """Suspend the execution until *moment*, for at least one second.

        Raises
        ------
        ValidationError
            *moment* has no time zone, or is more than 366 days ahead.
        """
        return self._drive(contexts.calls.wait_until(self._core, moment, name))

    def now(self) -> datetime:
        """Return the current time, which is recorded: it is the same on every replay."""
        return self._drive(contexts.calls.now(self._core))

    # fmt: off
    @overload
    def create_callback(
        self, *, returns: None = None, serdes: None = None, **options: Unpack[CreateCallbackOptions]
    ) -> Callback[str | None]: ...
    @overload
    def create_callback(
        self, *, returns: None = None, serdes: SerDes[T], **options: Unpack[CreateCallbackOptions]
    ) -> Callback[T]: ...
    @overload
    def create_callback(
        self, *, returns: TypeAdapter[T], serdes: SerDes[Any] | None = None, **options: Unpack[CreateCallbackOptions]
    ) -> Callback[T]: ...
    @overload
    def create_callback(
        self, *, returns: TypeForm[T], serdes: SerDes[Any] | None = None, **options: Unpack[CreateCallbackOptions]
    ) -> Callback[T]: ...
    # fmt: on
    def create_callback(
        self,
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[Any] | None = None,
        sub_type: str | None = None,
    ) -> Callback[Any]:
        """Have the service create an id that an external system can answer.

        Parameters
        ----------
        name : str | None
            For the history, and to answer by name in tests and on a laptop.
        timeout : Duration | None
            How long to wait for the answer, from now on; None or 0: as long as the execution lasts.
        heartbeat_timeout : Duration | None
            How long to wait between heartbeats.
        returns : type | None
            Type of the answer, sent as JSON text; without it `Callback.result` is the raw text.
        serdes : SerDes | None
            How the answer is read, in place of JSON.
        sub_type : str | None
            A label of your own in the history.

        Returns
        -------
        Callback
            The method does not wait: pass on its ``callback_id``, then call its ``result()``.

        Raises
        ------
        ValidationError
            An option is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.calls.create_callback(
                self._core,
                partial(Callback, self),
                name=name,
                timeout=timeout,
                heartbeat_timeout=heartbeat_timeout,
                returns=returns,
                serdes=serdes,
                sub_type=sub_type,
            )
        )

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
    ) -> S:
        """Call a function repeatedly until a condition is met; the execution is suspended between two calls.

        Parameters
        ----------
        check : Callable
            Called as ``check(state)``; returns the new state, which is recorded.
        initial : S
            The state before the first check.
        polling : Polling | Callable
            When the condition is met, and how long to wait between two checks. A function is called as
            ``polling(state, number)`` after each check, and returns the delay, or None when the condition is met.
        timeout : timedelta | int | float | None
            Limit of the whole wait, counted from its recorded start; None: as long as ``polling`` continues. The last
            check is made at the end of that time.
        name : str | None
            Default: the function's name.
        returns : type | None
            Type of the state; default: the function's return annotation.
        serdes : SerDes | None
            How the state is written, in place of the format for its type.

        Returns
        -------
        S
            The state that met the condition.

        Raises
        ------
        WaitForConditionError
            A check raised, or the condition was not met within ``max_attempts`` checks or within *timeout*.
        ValidationError
            The call is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.calls.wait_for_condition(
                self._core,
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

    # fmt: off
    @overload
    def invoke(
        self, function_name: str, payload: Any = None, *,
        returns: None = None, serdes: None = None, **options: Unpack[InvokeOptions]
    ) -> Any: ...
    @overload
    def invoke(
        self, function_name: str, payload: Any = None, *,
        returns: None = None, serdes: SerDes[T], **options: Unpack[InvokeOptions]
    ) -> T: ...
    @overload
    def invoke(
        self, function_name: str, payload: Any = None, *,
        returns: TypeAdapter[T], serdes: SerDes[Any] | None = None, **options: Unpack[InvokeOptions]
    ) -> T: ...
    @overload
    def invoke(
        self, function_name: str, payload: Any = None, *,
        returns: TypeForm[T], serdes: SerDes[Any] | None = None, **options: Unpack[InvokeOptions]
    ) -> T: ...
    # fmt: on
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
    ) -> Any:
        """Invoke another Lambda function; the execution is suspended until it has answered.

        Parameters
        ----------
        function_name : str
            Its name or ARN; a durable function's with a version or alias. Same account and region.
        payload : Any
            Its event: a JSON value, which may contain models, dataclasses, datetimes, decimals, UUIDs and enums. They
            are written as pydantic writes JSON.
        name : str | None
            For the history.
        tenant_id : str | None
            Tenant to isolate the invocation by.
        returns : type | None
            Type of the answer; without it the answer is a JSON value.
        payload_serdes, serdes : SerDes | None
            How the event is written and the answer is read, in place of JSON.

        Returns
        -------
        T
            The function's result.

        Raises
        ------
        InvokeError
            The function failed, timed out or was stopped; ``error_type`` and ``message`` are those of its error.
        ValidationError, SerDesError, PayloadTooLargeError
            The call is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.calls.invoke(
                self._core,
                function_name,
                payload,
                name=name,
                tenant_id=tenant_id,
                returns=returns,
                payload_serdes=payload_serdes,
                serdes=serdes,
            )
        )

    # -- operations that contain others ------------------------------------------------------------------

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: None = None,
        serdes: None = None,
        **options: Unpack[SubmitOptions],
    ) -> str | None: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: None = None,
        serdes: SerDes[T],
        **options: Unpack[SubmitOptions],
    ) -> T: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: TypeAdapter[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T: ...

    @overload
    def wait_for_callback(
        self,
        submit: Callable[[str, *Ts], object],
        *args: *Ts,
        returns: TypeForm[T],
        serdes: SerDes[Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> T: ...

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
    ) -> Any:
        """Submit a callback id, and suspend the execution until it is answered.

        Parameters
        ----------
        submit, *args
            Called as ``submit(callback_id, *args)``, as a step; its result is dropped.
        name : str | None
            Default: the function's name.
        timeout, heartbeat_timeout : Duration | None
            How long to wait for the answer, and between heartbeats; None is no timeout.
        retry : Retry | None
            When to submit again after an exception.
        returns, serdes
            Type of the answer, or how it is read; without them it is raw text.

        Returns
        -------
        T
            The answer.

        Raises
        ------
        CallbackExternalError, CallbackTimeoutError
            The answer was a failure, or did not come in time.
        CallbackSubmitterError
            Submitting failed for good.
        ValidationError
            The call is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.calls.wait_for_callback(
                self._core,
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
        """Run a function in its own context, with one record for its result.

        Parameters
        ----------
        func, *args
            Called as ``func(child, *args)``; it uses *child* for its operations.
        name : str | None
            Default: the function's name.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of the format for its type.
        sub_type : str | None
            A label of your own in the history.
        virtual : bool
            Make no record of the context itself, only of its operations. This saves two updates, but the function
            runs again on every replay.
        summary : Callable | None
            Returns the text that is recorded in place of a result over 256 KiB. A replay rebuilds such a result by
            running the function again, which reads its operations' records.

        Returns
        -------
        T
            The function's result, as every replay sees it.

        Raises
        ------
        ChildContextError
            The function raised; ``error_type`` and ``message`` are those of its exception.
        SerDesError
            The result can't be recorded.
        """
        return self._drive(
            contexts.calls.run_in_child_context(
                self._core,
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

    def with_retry(
        self,
        func: Callable[[DurableContext, *Ts], T],
        *args: *Ts,
        retry: RetryPolicy,
        name: str | None = None,
        **unknown: Never,
    ) -> T:
        """Run several operations as one, and run them all again when one fails.

        Each attempt has its own operations; the execution is suspended between attempts.

        Parameters
        ----------
        func, *args
            Called as ``func(child, *args)``, once for each attempt.
        retry : Retry
            When to try again. The decision must depend on the error alone, because it is repeated on every replay.
        name : str | None
            Default: the function's name.

        Returns
        -------
        T
            The result of the last attempt.

        Raises
        ------
        ChildContextError
            Every attempt failed; ``error_type`` and ``message`` are those of the last exception.
        """
        return self._drive(contexts.calls.with_retry(self._core, func, args, retry=retry, name=name, unknown=unknown))

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
        """Run several functions concurrently, each in its own context.

        Parameters
        ----------
        branches : Sequence | Mapping
            Functions of a context; with a mapping its keys are the branches' names, otherwise they are
            ``parallel-branch-0`` and so on.
        name : str | None
            For the history.
        max_concurrency : int | None
            How many may be in flight, suspended ones included; None is all.
        completion : Completion | None
            When the fan-out is complete; default: ``Completion.all_successful()``, so the first failure ends it.
        nesting : Nesting
            With ``FLAT`` there are no records of the branches, only of their operations.
        returns : type | None
            Type of the branches' results; default: each function's return annotation.
        item_serdes : SerDes | None
            How a branch's result is written, in place of the format for its type; also within the record of the whole
            result.
        serdes : SerDes | None
            How the whole result is written; also each branch's, if ``item_serdes`` is not given.
        summary : Callable | None
            Returns the text that is recorded for a result over 256 KiB.

        Returns
        -------
        BatchResult
            The outcome of each branch that was started, in index order. Failures are reported there, not raised;
            ``raise_if_failed()`` raises them. ``results`` raises if more branches failed than are tolerated.

        Raises
        ------
        SerDesError
            A branch's result can't be written or read; *completion* does not tolerate that.
        ValidationError
            The call is wrong; nothing was recorded.
        """
        return self._drive(
            contexts.fan_out_calls.parallel(
                self._core,
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
        """Run a function for each item concurrently, each in its own context.

        The other parameters, the result and the exceptions are those of `parallel`.

        Parameters
        ----------
        func : Callable
            Called as ``func(child, item)``; to get the index too, pass ``enumerate(items)``.
        items : Sequence
            A list, or another sequence that has the same order on every replay. Items are not recorded: take them from
            the event or from a step.
        batch_size : int | None
            Items run in groups of this size: the next group starts when the previous one has ended.
        completion : Completion | None
            When the fan-out is complete; by default the first failure ends it.
        item_name : Callable | None
            Called with an item and its index, returns its name; default: ``map-item-0`` and so on.
        """
        return self._drive(
            contexts.fan_out_calls.map_(
                self._core,
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

    # -- sagas -------------------------------------------------------------------------------------------

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
    ) -> T:
        """Run a step; when it has succeeded, register a function that undoes it.

        The other parameters and the exceptions are those of `step`.

        Parameters
        ----------
        compensate : Callable
            ``compensate(result)``, or ``compensate(child, result)`` with two required parameters when it uses
            durable operations itself. `run_compensations` calls it; it may run more than once after a crash. It is not
            a step, so `current_step` raises in it: for an idempotency key, take *child* and call a step.
        """
        return self._drive(
            contexts.saga_calls.step_with_compensation(
                self._core,
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

    def run_compensations(self) -> CompensationResult:
        """Undo this context's compensated steps, the last one first; all are tried, even if one fails.

        Returns
        -------
        CompensationResult
            One item for each compensation. Failures are reported there, not raised.
        """
        return self._core.session.driver.run_series(contexts.saga_calls.run_compensations(self._core))

    def saga(self) -> AbstractContextManager[Saga]:
        """Undo the compensated steps of a block if it raises, the last one first.

        Yields
        ------
        Saga
            Its ``undo(func, *args)`` registers a compensation for work that is not a step.

        Raises
        ------
        Exception
            The exception of the block, if every compensation succeeded.
        CompensationError
            Raised from the exception of the block, if a compensation failed; ``result`` has all outcomes.
        """
        from powertools_durable._contexts.saga import saga_block

        return saga_block(self._core, self._core.session.driver.run_series)

    # -- changing code in flight -------------------------------------------------------------------------

    def patched(self, name: str) -> bool:
        """Return whether this execution takes the new path of a change.

        Parameters
        ----------
        name : str
            The name of the change.

        Returns
        -------
        bool
            True in executions that reach this point for the first time with this code, False in those that passed it
            with the old code. The ids of other operations do not change.
        """
        return self._drive(contexts.calls.patched(self._core, name))

    # -- batch mode --------------------------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Enable batch mode for a block; its updates are sent when the block ends, also by an exception."""
        self._core.guard("batch")
        before, self._core.frame.batch_mode = self._core.frame.batch_mode, True
        try:
            yield
        except Exception:
            self._core.session.driver.run_series(contexts.calls.flush(self._core))
            raise
        else:
            self._core.session.driver.run_series(contexts.calls.flush(self._core))
        finally:
            self._core.frame.batch_mode = before

    def flush_batch(self) -> None:
        """Send the updates that batch mode holds back, and wait until the service has acknowledged them."""
        self._core.guard("flush_batch")
        self._core.session.driver.run_series(contexts.calls.flush(self._core))

    # -- without a handler -------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        backend: DurableBackend,
        arn: str,
        checkpoint_token: str,
        operations: Iterable[Operation] = (),
        next_marker: str | None = None,
    ) -> DurableContext:
        """Create a context without ``@durable``, for tests, tools and other hosts.

        Parameters
        ----------
        backend : DurableBackend
            Makes the two API calls.
        arn : str
            The execution's ARN.
        checkpoint_token : str
            The first token.
        operations : Iterable[Operation]
            Records that are known already.
        next_marker : str | None
            Marker of the first page of further records; pages of 1000 are read until there are no more.

        Returns
        -------
        DurableContext
            The new context. Call `close` when it is no longer needed.

        Raises
        ------
        BackendError
            A page could not be read.
        """
        from powertools_durable._contexts.standalone import create_context  # only tools and tests need it

        return create_context(cls, backend, arn, checkpoint_token, operations, next_marker)

    def close(self) -> None:
        """Send the updates that batch mode holds back, and end the sender of a context made by `create`."""
        from powertools_durable._contexts.standalone import close

        close(self._core)

    def create_child_context(self, operation_id: str) -> DurableContext:
        """Create the context of the operation with that id; it inherits no compensations.

        For code that manages its own records; handlers use `run_in_child_context`.
        """
        from powertools_durable._contexts.standalone import frame_below

        return DurableContext(self._core.session, frame_below(self._core, operation_id))
