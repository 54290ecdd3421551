"""Virtual time that user code spends; queued updates are sent in the meantime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from typing import Any

from powertools_durable._protocol.duration import Duration, seconds_of
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import ValidationError
from powertools_durable.scope import current_step_or_none
from powertools_durable.testing.simulation.sandbox import SANDBOX

__all__ = ["PlainProbe", "await_body", "run_body", "spend"]

_LINGERS = 1.0  # seconds after which the START of a running step is sent: docs/contributing/protocol.md#batching
_FLUSH: ContextVar[Callable[[], None] | None] = ContextVar("powertools_durable_flush", default=None)


class PlainProbe:
    """The `Probe` of ordinary simulations: when a body spends time, queued updates are sent."""

    def operation_called(self, op: OperationHandle) -> None:
        """Do nothing."""

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run *body*."""
        return run_body(body, flush)

    async def awaited_attempt(self, run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
        """Await the result of *run*; the seed decides when the body ends."""
        return await await_body(run, flush)

    def on_thread(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run *body*."""
        return run_body(body, flush)

    def refused(self, frame: Frame, call: str) -> None:
        """Do nothing."""

    def swallowed(self, frame: Frame, location: str = "") -> None:
        """Do nothing."""

    def context_ended(self, frame: Frame) -> None:
        """Do nothing."""


def run_body(body: Callable[[], Any], flush: Callable[[], None]) -> Any:
    """Run *body*; if it spends time, *flush* sends the queued updates in the meantime."""
    token = _begin(flush)  # no context manager of contextlib: it touches the traceback of what the body raises
    try:
        return body()
    finally:
        _FLUSH.reset(token)


async def await_body(run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
    """Await the result of *run* as `run_body` does; the seed decides when the body ends."""
    from powertools_durable.testing.simulation.body_ends import wait_until_chosen

    token = _begin(flush)
    try:
        try:
            value = await run()
        except Exception:
            await wait_until_chosen()
            raise
        await wait_until_chosen()
        return value
    finally:
        _FLUSH.reset(token)


def _begin(flush: Callable[[], None]) -> Token[Callable[[], None] | None]:
    if (sandbox := SANDBOX.get()) is not None:
        sandbox.pause()  # other threads may run between its START and its body
    return _FLUSH.set(flush)


def spend(span: Duration) -> None:
    """Advance the virtual time by *span*, the duration of the code that a fake replaces: a ``time.sleep`` for tests.

    Outside a `Simulator` it does nothing. A step whose ``timeout`` has passed raises `StepTimeoutError`. When the
    timeout of the invocation has passed, the invocation is killed: its side effects so far stay, it has no further
    ones, and the service invokes again.

    Parameters
    ----------
    span : timedelta | int | float
        In seconds, or as a timedelta.

    Raises
    ------
    ValidationError
        *span* is not a time span.
    StepTimeoutError
        The step's timeout has passed.
    """
    try:
        seconds = seconds_of(span)
    except (TypeError, ValueError) as problem:
        message = f"spend(): {problem}"
        raise ValidationError(message) from None
    sandbox = SANDBOX.get()
    if sandbox is not None:
        step, flush = current_step_or_none(), _FLUSH.get()
        if step is not None and flush is not None and seconds >= _LINGERS:
            flush()
        sandbox.spend(seconds, step.deadline if step else None)
