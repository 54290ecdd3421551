"""Undoes steps, the last one first: all steps of a context, or those of a block that raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVarTuple

from powertools_durable._contexts import arguments, binding, saga_calls
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.compensation import Undo
from powertools_durable._replay.effects import Composite
from powertools_durable.errors import RetryableSerDesError, ValidationError

__all__ = ["Saga", "saga_block"]

Ts = TypeVarTuple("Ts")


class Saga:
    """A block whose steps are undone if it raises: the object of ``with ctx.saga() as saga:``."""

    __slots__ = ("_core", "_is_over")

    def __init__(self, core: ContextCore) -> None:
        self._core = core
        self._is_over = False

    def undo(self, func: Callable[[*Ts], object], *args: *Ts) -> None:
        """Register a function that undoes other work than a step, such as an invoke.

        If the block raises, ``func(*args)`` runs as a step, with the default retries and its own idempotency key. It
        takes its turn among the compensations of `step_with_compensation`: the last one runs first.

        Parameters
        ----------
        func : Callable
            Undoes the work. Its result is dropped.
        *args
            Its arguments.

        Raises
        ------
        ValidationError
            The block has ended, or no durable call is allowed here.
        """
        arguments.callable_(func, "saga.undo", *args)
        binding.bind(func, len(args), "saga.undo")
        if self._is_over:
            message = "saga.undo() is called after the end of its block: call it in the block, after what it undoes"
            raise ValidationError(message)
        self._core.guard("saga.undo")
        self._core.compensations.append(Undo(arguments.name_of(func, None), func, args))

    def _end(self) -> None:
        self._is_over = True


@contextmanager
def saga_block(core: ContextCore, follow: Callable[[Composite[Any]], Any]) -> Iterator[Saga]:
    """See `DurableContext.saga`."""
    core.guard("saga")
    before = len(core.compensations)
    saga = Saga(core)
    try:
        yield saga
    except (RetryableSerDesError, MemoryError):  # another invocation continues from here
        raise
    except Exception as error:
        if (failure := follow(saga_calls.undo_block(core, before, error))) is not None:
            raise failure from error
        raise
    finally:
        saga._end()  # noqa: SLF001 - two halves of one thing
