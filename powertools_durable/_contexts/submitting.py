"""The call that hands out a callback and waits for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Never, TypeVar, TypeVarTuple, Unpack, overload

from powertools_durable import _operations as operations
from powertools_durable import serdes as formats
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.steps import Steps
from powertools_durable._protocol.operation import OperationType, SubType

if TYPE_CHECKING:
    from powertools_durable._contexts.option_types import SubmitOptions, TypeAdapter, TypeForm
    from powertools_durable._protocol.duration import Duration
    from powertools_durable._replay.effects import Flow
    from powertools_durable._replay.frame import Frame
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["Submitting"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Submitting(Steps):
    """Hands out a callback in a step."""

    __slots__ = ()

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
        """Hand a callback id to somebody, and suspend the execution until it is answered.

        Parameters
        ----------
        submit, *args
            Called as ``submit(callback_id, *args)``, as a step; what it returns is not kept.
        name : str | None
            Default: the function's name.
        timeout, heartbeat_timeout : Duration | None
            How long to wait for the answer, and between signs of life; None is none.
        retry : Retry | None
            When to submit again after an exception.
        returns, serdes
            Type of the answer, or how it is read; without them it is raw text.

        Returns
        -------
        T
            What was answered.

        Raises
        ------
        CallbackExternalError, CallbackTimeoutError
            It was answered with a failure, or not in time.
        CallbackSubmitterError
            Submitting failed for good.
        ValidationError
            The call is wrong; nothing was recorded. Source: protocol.md 11.4.
        """
        binding.refuse_unknown(submit, "wait_for_callback", unknown)
        arguments.callable_(submit, "wait_for_callback", *args)
        arguments.check_retry(retry)
        arguments.callback_seconds(timeout, "timeout")
        arguments.callback_seconds(heartbeat_timeout, "heartbeat_timeout")
        arguments.check_serdes(serdes)
        answer = formats.choosing.answer_serdes(returns, serdes)
        shown = arguments.name_of(submit, name)
        named = operations.wait_for_callback

        def body(frame: Frame) -> Any:
            child = self._below(frame)
            callback = child.create_callback(
                name=named.callback_name(shown), timeout=timeout, heartbeat_timeout=heartbeat_timeout, serdes=answer
            )
            child.step(_submitting, submit, callback.callback_id, args, name=named.submitter_name(shown), retry=retry)
            return callback.result()

        op = self._begin("wait_for_callback", OperationType.CONTEXT, SubType.WAIT_FOR_CALLBACK, shown)
        if op.runs_body:
            binding.bind(submit, 1 + len(args), "wait_for_callback", before="the callback id")
        written: SerDes[Any] = formats.choosing.answered_serdes(returns, self._session.program.serdes)
        flow: Flow[Any] = operations.child.child(op, partial(self._frame.child, op), body, written)
        return self._drive(op, named.surfacing(flow))


def _submitting(submit: Callable[..., object], callback_id: str, args: tuple[Any, ...]) -> None:
    submit(callback_id, *args)
