"""What the steps of ``async def`` programs do: the same as `bodies`, most of it on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from powertools_durable import AsyncDurableContext
from tests.properties import bodies
from tests.properties.bodies import (
    KEPT,
    Thing,
    does_in_a_thread,
    expects,
    has_passed,
    marks,
    misplaces,
    misplaces_on_a_thread,
    misuses,
    refused,
    refused_on_another_thread,
    undoes,
)

__all__ = [
    "KEPT",
    "Closing",
    "Thing",
    "does",
    "does_at_last",
    "does_in_a_thread",
    "enters",
    "expects",
    "has_passed",
    "leaves",
    "marks",
    "misplaces",
    "misplaces_on_a_thread",
    "misuses",
    "reads",
    "refused",
    "refused_on_another_thread",
    "refuses",
    "refuses_again",
    "submits",
    "undoes",
]

P = ParamSpec("P")
R = TypeVar("R")


def _on_the_loop(body: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    async def does_it(*args: P.args, **kwargs: P.kwargs) -> R:
        await asyncio.sleep(0)
        return body(*args, **kwargs)

    does_it.__name__, does_it.__qualname__ = body.__name__, body.__qualname__
    return does_it


does = _on_the_loop(bodies.does)
does_at_last = _on_the_loop(bodies.does_at_last)
enters = _on_the_loop(bodies.enters)
leaves = _on_the_loop(bodies.leaves)
reads = _on_the_loop(bodies.reads)
refuses = _on_the_loop(bodies.refuses)
refuses_again = _on_the_loop(bodies.refuses_again)
submits = _on_the_loop(bodies.submits)


class Closing:
    """A context manager whose end is an operation."""

    def __init__(self, ctx: AsyncDurableContext, name: str) -> None:
        self._ctx, self._name = ctx, name

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._ctx.step(does, self._name, name=self._name)
