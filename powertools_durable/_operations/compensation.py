"""Undo steps: register compensations, run them, and report their outcomes."""

from __future__ import annotations

import inspect
from bisect import insort
from collections.abc import Awaitable, Callable
from functools import partial
from operator import attrgetter
from typing import Any, Literal, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable._replay.effects import Call, Flow, Outcome, Perform, Raised, Returned, Series
from powertools_durable.errors import (
    ChildContextError,
    CompensationError,
    PayloadTooLargeError,
    SerDesError,
    StepError,
)
from powertools_durable.errors.recording import raised_type

__all__ = [
    "Compensation",
    "CompensationItem",
    "CompensationResult",
    "Undo",
    "register",
    "run_and_register",
    "run_compensations",
    "takes_context",
    "undo_block",
    "without_result",
]

T = TypeVar("T")


@frozen
class Compensation:
    """A function that undoes one step; registered when the step succeeds, also on a replay.

    ``position`` orders the compensations of a context by the positions of their steps' calls.
    """

    position: tuple[Any, ...]
    name: str | None
    value: Any
    undo: Callable[..., Any]


@frozen
class Undo:
    """A function that undoes other work; it runs as a step, with *args*."""

    position: tuple[Any, ...]
    name: str | None
    func: Callable[..., object]
    args: tuple[Any, ...]


@frozen
class CompensationItem:
    """The outcome of one compensation.

    Attributes
    ----------
    name : str | None
        The name of the step that it undoes, or of the function given to `Saga.undo`.
    status : str
        ``"Succeeded"`` or ``"Failed"``.
    error : str | None
        The message of the failure.
    """

    name: str | None
    status: Literal["Succeeded", "Failed"]
    error: str | None = None


@frozen
class CompensationResult:
    """The outcomes of all compensations, in the order in which they ran: the last step's first."""

    items: tuple[CompensationItem, ...] = ()

    @property
    def all_succeeded(self) -> bool:
        """True if no compensation failed, also if there were none."""
        return all(item.status == "Succeeded" for item in self.items)


def run_and_register(
    call: Call[T], undo: Callable[..., Any], compensations: list[Compensation | Undo], place: tuple[Any, ...]
) -> Flow[T]:
    """Run a step; when it has succeeded, register *undo*. *place* is the position of the calling task."""
    value = yield from call.flow
    register(compensations, Compensation((*place, (call.op.number, 0, 0)), call.op.name, value, undo))
    return value


def register(compensations: list[Compensation | Undo], registered: Compensation | Undo) -> None:
    """Insert a compensation at its position, regardless of when its step ended."""
    insort(compensations, registered, key=attrgetter("position"))


def without_result(func: Callable[..., object], *, awaits: bool) -> Callable[..., object]:
    """Return *func*, wrapped to return None.

    A coroutine that is not awaited, or a generator, is returned unchanged, and then refused like the result of a step.
    """

    def call(*args: Any) -> object:
        result = func(*args)
        if awaits and inspect.isawaitable(result):
            return _await_and_drop(result)
        return _unfinished_or_none(result)

    call.__wrapped__ = func  # type: ignore[attr-defined]  # drivers inspect the user's function
    return call


async def _await_and_drop(result: Awaitable[object]) -> object:
    return _unfinished_or_none(await result)


def _unfinished_or_none(result: object) -> object:
    return result if inspect.iscoroutine(result) or inspect.isgenerator(result) else None


def run_compensations(
    compensations: list[Compensation | Undo],
    begin: Callable[[Compensation | Undo], Call[Any]],
    *,
    since: tuple[Any, ...] = (),
) -> Series[CompensationResult]:
    """Run *compensations*, the last one first; all are tried, even if one fails.

    *since* is the position where a block began: only compensations of steps in that block run then.
    """
    items: list[CompensationItem] = []
    place = since[:-1]
    while compensation := _last(compensations, place, since):
        outcome: Outcome = yield Perform("run_compensations", partial(begin, compensation))
        match outcome:
            case Returned():
                items.append(CompensationItem(compensation.name, "Succeeded"))
            case Raised(StepError() | ChildContextError() | SerDesError() | PayloadTooLargeError() as error):
                items.append(CompensationItem(compensation.name, "Failed", str(error)))
            case Raised(error):
                raise error
    return CompensationResult(tuple(items))


def _last(
    compensations: list[Compensation | Undo], place: tuple[Any, ...], since: tuple[Any, ...]
) -> Compensation | Undo | None:
    """Remove and return the last compensation of the task at *place* that does not precede *since*."""
    for index in range(len(compensations) - 1, -1, -1):
        position = compensations[index].position
        if position < since:
            return None
        if position[: len(place)] == place:
            return compensations.pop(index)
    return None


def undo_block(flow: Series[CompensationResult], error: Exception) -> Series[CompensationError | None]:
    """Run the compensations of a block that raised *error*; if one fails, return the error to raise instead."""
    result = yield from flow
    if result.all_succeeded:
        return None
    failed = [item.name or "unnamed" for item in result.items if item.status == "Failed"]
    message = f"undoing {', '.join(failed)} failed, after {type(error).__name__}"
    failure = CompensationError(message, error_type=raised_type(error))
    failure.result = result
    return failure


def takes_context(undo: Callable[..., Any]) -> bool:
    """Return whether *undo* has two required parameters: then it gets its own context as the first."""
    try:
        parameters = inspect.signature(undo).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty) > 1
