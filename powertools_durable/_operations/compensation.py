"""What a saga's compensations came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from powertools_durable._frozen import frozen

__all__ = ["Compensation", "CompensationItem", "CompensationResult", "Undo"]


@frozen
class Compensation:
    """Undoes one step: registered when the step succeeded, rebuilt by replay, recorded only when it runs."""

    name: str | None
    value: Any
    undo: Callable[..., Any]


@frozen
class Undo:
    """Undoes whatever was just done: a function that runs as a step, with what it is called with."""

    name: str | None
    func: Callable[..., object]
    args: tuple[Any, ...]


@frozen
class CompensationItem:
    """The outcome of one compensation.

    Attributes
    ----------
    name : str | None
        The name of the step it undoes; of what `Saga.undo` was given, the function's.
    status : str
        ``"Succeeded"`` or ``"Failed"``.
    error : str | None
        The failure's message.
    """

    name: str | None
    status: Literal["Succeeded", "Failed"]
    error: str | None = None


@frozen
class CompensationResult:
    """The outcomes of all compensations, in the order they ran: the last step's first."""

    items: tuple[CompensationItem, ...] = ()

    @property
    def all_succeeded(self) -> bool:
        """True when none failed; also when there was none."""
        return all(item.status == "Succeeded" for item in self.items)
