"""The calls that have one record each: step, wait, callback, and their kin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, TypeVarTuple, Unpack, overload

from powertools_durable import _operations as operations
from powertools_durable import serdes as formats
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.core import BlockingCore
from powertools_durable._operations.semantics import StepSemantics
from powertools_durable._protocol.operation import OperationStatus, OperationType, SubType

if TYPE_CHECKING:
    from powertools_durable._contexts.option_types import CallbackOptions, InvokeOptions, TypeAdapter, TypeForm
    from powertools_durable._protocol.duration import Duration
    from powertools_durable._protocol.update import ChainedInvokeOptions
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable.retry import Polling, RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Callback", "Steps"]

# Looked up once, for steps are what there is most of.
_OF_STEP, _STEP, _AT_LEAST_ONCE = OperationType.STEP, SubType.STEP, StepSemantics.AT_LEAST_ONCE
_STARTED, _READY = OperationStatus.STARTED, OperationStatus.READY
S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Callback(Generic[T]):
    """An id that somebody outside may answer, and the answer.

    Attributes
    ----------
    callback_id : str
        Give it only to whoever shall answer: knowing it is the permission.
    """

    __slots__ = ("_context", "_op", "_serdes", "callback_id")

    def __init__(self, context: Steps, op: OperationHandle, callback_id: str, serdes: SerDes[T]) -> None:
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
            What was sent: raw text, or what ``returns`` or ``serdes`` of `create_callback` makes of it. None
            when it was answered without a payload.

        Raises
        ------
        CallbackExternalError
            It was answered with a failure.
        CallbackTimeoutError
            Nobody answered, or gave a heartbeat, in time.
        SerDesError
            The answer is not what ``returns`` asks for.
        """
        return self._context._await_callback(self._op, self._serdes)  # noqa: SLF001 - two halves of one thing


class Steps(BlockingCore):
    """Operations with one record each."""

    __slots__ = ()

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
        """Run a function once and write its result down.

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
            then runs on a thread of its own, which goes on in the background.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of what its type asks for.
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
            The call is wrong; nothing was recorded. Source: protocol.md 11.1.
        """
        if unknown:
            binding.refuse_unknown(func, "step", unknown)
        _, value = self._step(func, args, name, retry, semantics, timeout, returns, serdes, sub_type)
        return value

    def _step(  # noqa: PLR0917 - the options of `step`
        self,
        func: Callable[..., T],
        args: tuple[Any, ...],
        name: str | None,
        retry: RetryPolicy | None,
        semantics: StepSemantics,
        timeout: Duration | None,
        returns: Any,
        serdes: SerDes[T] | None,
        sub_type: str | None,
    ) -> tuple[OperationHandle, T]:
        if type(func) is not FunctionType:
            arguments.callable_(func, "step", *args)
        if retry is not None:
            arguments.check_retry(retry)
        once = semantics is not _AT_LEAST_ONCE and arguments.at_most_once(semantics)
        seconds = None if timeout is None else arguments.body_timeout(timeout)
        sub_type = _STEP if sub_type is None else arguments.sub_type_or(_STEP, sub_type)
        written = self._serdes(func, returns, serdes)
        op = self._begin("step", _OF_STEP, sub_type, arguments.name_of(func, name))
        record = op.engine.state.operations.get(op.id)  # as `runs_body` does, without a call: steps are many
        if record is None or record.status is _READY or (record.status is _STARTED and not once):
            binding.bind(func, len(args), "step")
            condition = getattr(retry or self._session.default_retry, "retry_if", None)
            if condition is not None:
                binding.bind(condition, 1, "step", role="retry_if", before="the exception")
        flow = operations.step.step(
            op,
            partial(func, *args) if args else func,
            retry or self._session.default_retry,
            written,
            at_most_once=once,
            timeout=seconds,
        )
        return op, self._drive(op, flow)

    def wait(self, duration: Duration, *, name: str | None = None) -> None:
        """Suspend the execution for a while; nothing runs and nothing is paid meanwhile.

        Parameters
        ----------
        duration : timedelta | int | float
            1 second to 366 days; fractions of a second are rounded up.
        name : str | None
            For the history.

        Raises
        ------
        ValidationError
            Shorter or longer than that. Source: protocol.md 11.2.
        """
        seconds = arguments.timer_seconds(duration, "wait")
        op = self._begin("wait", OperationType.WAIT, SubType.WAIT, arguments.name_of(None, name))
        self._drive(op, operations.wait.wait(op, seconds))

    def wait_until(self, moment: datetime, *, name: str | None = None) -> None:
        """Suspend the execution until *moment*; one in the past, or nearly, waits one second.

        Raises
        ------
        ValidationError
            *moment* has no time zone, or lies more than 366 days ahead.
        """
        seconds = arguments.until_seconds(moment, self._session.environment.clock.now())
        op = self._begin("wait_until", OperationType.WAIT, SubType.WAIT, arguments.name_of(None, name))
        self._drive(op, operations.wait.wait(op, seconds))

    def now(self) -> datetime:
        """Return the time, recorded: the same on every replay."""
        return self.step(self._session.environment.clock.now, name="now", returns=datetime)

    # fmt: off
    @overload
    def create_callback(
        self, *, returns: None = None, serdes: None = None, **options: Unpack[CallbackOptions]
    ) -> Callback[str | None]: ...
    @overload
    def create_callback(
        self, *, returns: None = None, serdes: SerDes[T], **options: Unpack[CallbackOptions]
    ) -> Callback[T]: ...
    @overload
    def create_callback(
        self, *, returns: TypeAdapter[T], serdes: SerDes[Any] | None = None, **options: Unpack[CallbackOptions]
    ) -> Callback[T]: ...
    @overload
    def create_callback(
        self, *, returns: TypeForm[T], serdes: SerDes[Any] | None = None, **options: Unpack[CallbackOptions]
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
        """Have the service make an id that somebody outside can answer.

        Parameters
        ----------
        name : str | None
            For the history, and for answering by name on a laptop.
        timeout : Duration | None
            How long to wait for the answer, from now on; None or 0: as long as the execution lasts.
        heartbeat_timeout : Duration | None
            How long to wait between signs of life.
        returns : type | None
            Type of the answer, sent as JSON text; without it `Callback.result` is the raw text.
        serdes : SerDes | None
            How the answer is read, in place of that.
        sub_type : str | None
            A label of your own in the history.

        Returns
        -------
        Callback
            Does not wait: hand out its ``callback_id``, then ask for its ``result()``.

        Raises
        ------
        ValidationError
            An option is wrong; nothing was recorded. Source: protocol.md 11.3.
        """
        limit = arguments.callback_seconds(timeout, "timeout")
        heartbeat = arguments.callback_seconds(heartbeat_timeout, "heartbeat_timeout")
        sub_type = arguments.sub_type_or(SubType.CALLBACK, sub_type)
        arguments.check_serdes(serdes)
        answer = formats.choosing.answer_serdes(returns, serdes)
        op = self._begin("create_callback", OperationType.CALLBACK, sub_type, arguments.name_of(None, name))
        callback_id = self._drive(op, operations.callback.create_callback(op, limit, heartbeat))
        return Callback(self, op, callback_id, answer)

    def _await_callback(self, op: OperationHandle, serdes: SerDes[T]) -> T:
        self._guard("callback.result")
        self._frame.asks_result(op)
        return self._drive(op, operations.callback.callback_result(op, serdes))

    def wait_for_condition(
        self,
        check: Callable[[S], S],
        *,
        initial: S,
        polling: Polling,
        timeout: Duration | None = None,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[S] | None = None,
        **unknown: Never,
    ) -> S:
        """Look again and again until something is so; the execution is suspended between two looks.

        Parameters
        ----------
        check : Callable
            Called as ``check(state)``, returns the new state, which is recorded.
        initial : S
            The state before the first check.
        polling : Polling
            When the condition is met, and how long to wait between two checks.
        timeout : timedelta | int | float | None
            Of the whole wait, from its recorded start; None: as long as ``polling`` goes on. The last check is made
            when it is over.
        name : str | None
            Default: the function's name.
        returns : type | None
            Type of the state; default: the function's return annotation.
        serdes : SerDes | None
            How the state is written, in place of what its type asks for.

        Returns
        -------
        S
            The state that met the condition.

        Raises
        ------
        WaitForConditionError
            A check raised, or none of ``max_attempts``, or none within *timeout*, met the condition.
        ValidationError
            The call is wrong; nothing was recorded. Source: protocol.md 11.5.
        """
        if unknown:
            binding.refuse_unknown(check, "wait_for_condition", unknown)
        arguments.callable_(check, "wait_for_condition")
        rhythm = arguments.polling_of(polling)
        seconds = arguments.body_timeout(timeout)
        written = self._serdes(check, returns, serdes)
        shown = arguments.name_of(check, name)
        op = self._begin("wait_for_condition", OperationType.STEP, SubType.WAIT_FOR_CONDITION, shown)
        if op.runs_body:
            binding.bind(check, 1, "wait_for_condition", before="the state")
            binding.bind(rhythm.until, 1, "wait_for_condition", role="until", before="the state")
        limit = None
        if seconds is not None:
            limit = operations.wait_for_condition.Limit(seconds, self._session.environment.clock.now)
        flow = operations.wait_for_condition.wait_for_condition(op, check, initial, rhythm, written, limit=limit)
        return self._drive(op, flow)

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
        """Call another Lambda function; the execution is suspended until it has answered.

        Parameters
        ----------
        function_name : str
            Its name or ARN; a durable function's with a version or alias. Same account and region.
        payload : Any
            Its event: anything JSON has; models, dataclasses, moments, decimals, UUIDs and enums may stand anywhere
            in it, written as pydantic writes JSON.
        name : str | None
            For the history.
        tenant_id : str | None
            Tenant to isolate the invocation by.
        returns : type | None
            Type of the answer; without it the answer is what JSON holds.
        payload_serdes, serdes : SerDes | None
            How the event is written and the answer is read, in place of JSON.

        Returns
        -------
        T
            What the function returned.

        Raises
        ------
        InvokeError
            It failed, timed out or was stopped; ``error_type`` and ``message`` are what it said.
        ValidationError, SerDesError, PayloadTooLargeError
            The call is wrong; nothing was recorded. Source: protocol.md 11.6.
        """
        from powertools_durable.parser import writing  # loads pydantic

        target = arguments.function_name(function_name)
        tenant = arguments.tenant(tenant_id)
        arguments.check_serdes(payload_serdes)
        arguments.check_serdes(serdes)
        written = formats.choosing.event_serdes(writing.PAYLOAD, payload_serdes)
        answer = formats.choosing.json_serdes(returns, serdes)
        op = self._begin("invoke", OperationType.CHAINED_INVOKE, SubType.CHAINED_INVOKE, arguments.name_of(None, name))
        text = None
        if op.record is None:  # what was sent is not sent again
            with self._frame.busy(op):
                text = op.sendable(payload, written)

        def options() -> ChainedInvokeOptions:
            from powertools_durable._protocol.update import ChainedInvokeOptions

            header = self._session.driver.trace_header(op, target)
            return ChainedInvokeOptions(function_name=target, tenant_id=tenant, x_amzn_trace_id=header)

        return self._drive(op, operations.invoke.invoke(op, options, text, answer))
