"""Finds out what a task waits for: a durable call, or something else, and at which line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any

from powertools_durable._runtime.durable_task import DurableTask
from powertools_durable._runtime.task_places import PlacedTask
from powertools_durable.errors.places import Origin, origin_of, place

__all__ = ["line_of", "location_of", "waits_only_for_durable_calls"]

_WAIT = asyncio.tasks._wait.__code__  # type: ignore[attr-defined]  # noqa: SLF001 - where `asyncio.wait` waits
_WAIT_FOR = asyncio.wait_for.__code__
_GROUP_EXIT = asyncio.TaskGroup.__aexit__.__code__
_AWAIT = DurableTask.__await__.__code__


def waits_only_for_durable_calls(task: PlacedTask) -> bool:
    """Return whether nothing but durable calls and other tasks can wake *task*."""
    frames = list(_frames(task))
    for frame in reversed(frames):
        code = frame.f_code
        if code is _AWAIT or (code.co_name == "__aexit__" and code.co_filename == _GROUP_EXIT.co_filename):
            return True
        if code is _WAIT:
            return all(map(_is_durable, frame.f_locals.get("fs", ())))
        if code is _WAIT_FOR and "fut" in frame.f_locals and isinstance(frame.f_locals["fut"], asyncio.Future):
            return _is_durable(frame.f_locals["fut"])
        break
    return _is_durable(getattr(task, "_fut_waiter", None))


def line_of(task: PlacedTask) -> str:
    """Return the user's innermost line at which *task* waits."""
    frame = _users_frame(task)
    return place(frame, frame.f_lineno) if frame is not None else "an unknown line"


def location_of(task: PlacedTask) -> str:
    """Return that line as ``file:line`` with the full path; empty if there is none."""
    frame = _users_frame(task)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def _users_frame(task: PlacedTask) -> FrameType | None:
    users = [frame for frame in _frames(task) if origin_of(frame) is Origin.USER]
    return users[-1] if users else None


def _is_durable(future: Any) -> bool:
    if isinstance(future, DurableTask):
        return True
    if isinstance(future, PlacedTask):
        return future.place is not None and future.place.step is None
    children = getattr(future, "_children", None)  # of `asyncio.gather`
    return children is not None and all(_is_durable(child) or child.done() for child in children)


def _frames(task: PlacedTask) -> Iterator[FrameType]:
    """Yield the frames of the coroutines that *task* runs, the outermost first."""
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is None:
            return
        yield frame
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
