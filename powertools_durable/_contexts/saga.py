"""Undoes steps, the last one first: all steps of a context, or those of a block that raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVarTuple

from powertools_durable._contexts import arguments, calls, saga_calls
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.compensation import Undo, register
from powertools_durable._replay.effects import Composite
from powertools_durable.errors import RetryableSerDesError, RetryInvocation, ValidationError

__all__ = ["AsyncBatchBlock", "AsyncSagaBlock", "Saga", "saga_block"]

_CONTINUED = (RetryableSerDesError, RetryInvocation, MemoryError)
"""The block has not failed: another invocation continues it."""

Ts = TypeVarTuple("Ts")


class Saga:
    """The object of ``with ctx.saga() as saga:``, a block whose steps are undone if it raises."""

    __slots__ = ("_core", "_is_over")

    def __init__(self, core: ContextCore) -> None:
        self._core = core
        self._is_over = False

    def undo(self, func: Callable[[*Ts], object], *args: *Ts) -> None:
        """Register a function that undoes work that is not a step, such as an invoke.

        If the block raises, ``func(*args)`` runs as a step, with the default retries and its own idempotency key.
        Together with the compensations of `step_with_compensation`, the last one registered runs first.

        Parameters
        ----------
        func : Callable
            Undoes the work. Its result is not used.
        *args
            Its arguments.

        Raises
        ------
        ValidationError
            The block has ended, or no durable call is allowed here.
        """
        arguments.check_callable(func, "saga.undo", *args)
        self._core.bind(func, len(args), "saga.undo")
        if self._is_over:
            message = (
                "saga.undo() is called after the end of its block: call it in the block, after the work that it undoes"
            )
            raise ValidationError(message)
        self._core.guard("saga.undo")
        registered = Undo(self._core.next_position(), arguments.name_of(func, None), func, args)
        register(self._core.compensations, registered)

    def _end(self) -> None:
        self._is_over = True


@contextmanager
def saga_block(core: ContextCore, run_series: Callable[[Composite[Any]], Any]) -> Iterator[Saga]:
    """See `DurableContext.saga`."""
    core.guard("saga")
    began = core.next_position()
    saga = Saga(core)
    try:
        yield saga
    except _CONTINUED:
        raise
    except Exception as error:
        if (failure := run_series(saga_calls.undo_block(core, began, error))) is not None:
            raise failure from error
        raise
    finally:
        saga._end()  # noqa: SLF001 - a saga and its block belong together


class AsyncSagaBlock:
    """The block of ``async with ctx.saga()``."""

    def __init__(self, core: ContextCore) -> None:
        core.guard("saga")
        self._core = core
        self._began = core.next_position()
        self._saga = Saga(core)

    def __enter__(self) -> NoReturn:
        message = "ctx.saga() is an asynchronous context manager in an async handler: write 'async with ctx.saga()'"
        raise ValidationError(message)

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> Saga:
        return self._saga

    async def __aexit__(self, kind: object, error: BaseException | None, at: object) -> None:
        try:
            if not isinstance(error, Exception) or isinstance(error, _CONTINUED):
                return
            undone = saga_calls.undo_block(self._core, self._began, error)
            if (failure := await self._core.session.async_driver.run_series(undone)) is not None:
                raise failure from error
        finally:
            self._saga._end()  # noqa: SLF001 - a saga and its block belong together


class AsyncBatchBlock:
    """The block of ``async with ctx.batch()``."""

    def __init__(self, core: ContextCore) -> None:
        core.guard("batch")
        self._core = core
        self._before = False

    def __enter__(self) -> NoReturn:
        message = "ctx.batch() is an asynchronous context manager in an async handler: write 'async with ctx.batch()'"
        raise ValidationError(message)

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> None:
        self._before, self._core.frame.batch_mode = self._core.frame.batch_mode, True

    async def __aexit__(self, kind: object, error: BaseException | None, at: object) -> None:
        try:
            if error is None or isinstance(error, Exception):
                await self._core.session.async_driver.run_series(calls.flush(self._core))
        finally:
            self._core.frame.batch_mode = self._before
