"""Calls the end hooks of a context's code that is a coroutine: when the coroutine ends, not when it was called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TypeVar

from powertools_durable._replay.effects import Outcome, Raised, Returned
from powertools_durable._replay.frame import Frame

__all__ = ["awaited"]

T = TypeVar("T")


async def awaited(value: Awaitable[T], frame: Frame, ends: Callable[[Outcome], None], hooks: ExitStack) -> T:
    """Return the result of *value*, the code of *frame*.

    Parameters
    ----------
    ends : Callable
        Takes the outcome; not called if the code was suspended or its task cancelled.
    hooks : ExitStack
        Calls the end hooks when it is closed.
    """
    with hooks:
        try:
            result = await value
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            is_cut_off = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
            if frame.suspension is None and not is_cut_off:
                ends(Raised(error))  # type: ignore[arg-type]  # a CancelledError raised by user code fails the context
            raise
        if frame.suspension is None:  # otherwise the code has swallowed the suspension
            ends(Returned(result))
        return result
