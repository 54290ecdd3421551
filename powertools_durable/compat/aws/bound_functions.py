"""The decorators of ``aws_durable_execution_sdk_python.context``: they give a function its arguments and its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from powertools_durable.compat.aws.config import ParallelBranch
from powertools_durable.compat.aws.types import StepContext, WaitForCallbackContext

if TYPE_CHECKING:
    from powertools_durable.compat.aws.context import DurableContext

__all__ = [
    "durable_parallel_branch",
    "durable_step",
    "durable_wait_for_callback",
    "durable_with_child_context",
]

T = TypeVar("T")
Params = ParamSpec("Params")


def durable_step(
    func: Callable[Concatenate[StepContext, Params], T],
) -> Callable[Params, Callable[[StepContext], T]]:
    """Let a function be called with its own arguments, and be passed to `DurableContext.step` under its name."""

    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Callable[[StepContext], T]:
        def bound(context: StepContext) -> T:
            return func(context, *args, **kwargs)

        return _named_after(func, bound)

    return wrapper


def durable_with_child_context(
    func: Callable[Concatenate[DurableContext, Params], T],
) -> Callable[Params, Callable[[DurableContext], T]]:
    """Let a function be called with its own arguments, and be passed to `DurableContext.run_in_child_context`."""

    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Callable[[DurableContext], T]:
        def bound(context: DurableContext) -> T:
            return func(context, *args, **kwargs)

        return _named_after(func, bound)

    return wrapper


def durable_wait_for_callback(
    func: Callable[Concatenate[str, WaitForCallbackContext, Params], T],
) -> Callable[Params, Callable[[str, WaitForCallbackContext], T]]:
    """Let a submitter be called with its own arguments, and be passed to `DurableContext.wait_for_callback`."""

    def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> Callable[[str, WaitForCallbackContext], T]:
        def bound(callback_id: str, context: WaitForCallbackContext) -> T:
            return func(callback_id, context, *args, **kwargs)

        return _named_after(func, bound)

    return wrapper


def durable_parallel_branch(
    name: str | None = None,
) -> Callable[[Callable[Concatenate[DurableContext, Params], T]], Callable[Params, ParallelBranch[T]]]:
    """Let a function be called with its own arguments, and be passed to `DurableContext.parallel` under *name*."""

    def decorator(func: Callable[Concatenate[DurableContext, Params], T]) -> Callable[Params, ParallelBranch[T]]:
        def wrapper(*args: Params.args, **kwargs: Params.kwargs) -> ParallelBranch[T]:
            def bound(context: DurableContext) -> T:
                return func(context, *args, **kwargs)

            return ParallelBranch(bound, name)

        return wrapper

    return decorator


def _named_after(func: Callable[..., Any], bound: T) -> T:
    bound._original_name = func.__name__  # type: ignore[attr-defined]  # noqa: SLF001 - what tools of others read, too
    return bound
