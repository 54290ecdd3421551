"""Where a task stands among the tasks of a handler. Operation ids come from there, not from the order of arrival.

::

    handler                          operations 1, 2, 3 ...          as in a 'def' handler
      create_task(pack(...))         task-pack-1                     operations task-pack-1-1, -2 ...
      create_task(pack(...))         task-pack-2
        create_task(label())           task-pack-2-task-label-1
      child context (operation 3)    operations 3-1, 3-2 ...         a function of its own, so it begins anew

The function of a context is a place. A task made there is a place of its own: known by its maker's place, the name of
its coroutine, and how many of that name its maker has made. So a task that only one run makes, such as one that fills
a cache, shifts nothing but tasks of its own name (docs/contributing/protocol.md#tasks).

The place is an attribute of the task. A context variable would be inherited by code that has no place.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Token
from types import CodeType
from typing import TYPE_CHECKING, Any

from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable._runtime.durable_task import DurableTask, Line
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.loop import DurableLoop

__all__ = [
    "ContextRun",
    "PlacedTask",
    "TaskFactory",
    "TaskPlace",
    "current_place",
    "current_task",
    "leave_scope",
    "line_of_call",
]

_FRAMES_OF_ASYNCIO = 6  # at most, between `create_task` and `wait_for` or `as_completed`


class ContextRun:
    """The function of a context while it runs: the handler, a child context or a branch.

    Attributes
    ----------
    driver : AsyncDriver
        The invocation's.
    frame : Frame
        The context.
    place : TaskPlace
        Where its function stands.
    path : tuple
        Where the context stands among the operations of the handler.
    tasks : dict
        The user's tasks below it that have not ended, in the order in which they were made.
    calls : dict
        Durable calls that have not been handed over, and those whose failure nobody asked for.
    progress : Future | None
        Completed when one of the calls ends, or waits for the service.
    """

    __slots__ = ("calls", "driver", "frame", "path", "place", "progress", "tasks")

    def __init__(self, driver: AsyncDriver, frame: Frame, path: tuple[Any, ...] = ()) -> None:
        self.driver = driver
        self.frame = frame
        self.path = path
        self.place = TaskPlace(self, frame)
        self.tasks: dict[PlacedTask, None] = {}
        self.calls: dict[DurableTask[Any], None] = {}
        self.progress: asyncio.Future[None] | None = None
        frame.owner = self.place

    def note_progress(self) -> None:
        """Wake the end of the context, which waits for its calls."""
        if self.progress is not None and not self.progress.done():
            self.progress.set_result(None)


class TaskPlace:
    """One place.

    Attributes
    ----------
    run : ContextRun
        The context that it lies in.
    step : OperationHandle | None
        The operation whose body runs here; no durable call may be made.
    position : tuple
        Orders the places of a context by structure: a task stands after the calls that its maker had made.
    pending : int
        Calls from here that have not been handed over.
    replayed : int
        Calls from here that had ended before this invocation, and have not been handed over.
    core : object
        What the context's face keeps for this place.
    """

    __slots__ = (
        "_frame",
        "_is_live",
        "_made",
        "_maker",
        "_order",
        "_segment",
        "core",
        "pending",
        "position",
        "replayed",
        "run",
        "step",
    )

    def __init__(
        self,
        run: ContextRun,
        frame: Frame | None = None,
        *,
        maker: TaskPlace | None = None,
        segment: str = "",
        position: tuple[Any, ...] = (),
        step: OperationHandle | None = None,
    ) -> None:
        self.run = run
        self.step = step
        self.position = position
        self.pending = 0
        self.replayed = 0
        self.core: object = None
        self._frame = frame
        self._maker = maker
        self._segment = segment
        self._made: dict[str, int] = {}
        self._order = 0
        self._is_live = False  # it stays so

    @property
    def replay_state(self) -> ReplayState:
        """Whether the code here runs again; see `whereabouts`."""
        driver, frame = self.run.driver, self.frame
        if frame.replay_state is ReplayState.SEALED:
            return ReplayState.SEALED
        if driver.is_unwinding:
            return ReplayState.UNWINDING
        if self._is_live:
            return ReplayState.LIVE
        if self.replayed or frame.recorded_ahead() is not None or driver.repetition.goes_on(frame.parent_id):
            return ReplayState.REPLAY
        self._is_live = True
        return ReplayState.LIVE

    @property
    def frame(self) -> Frame:
        """The counter, and what else belongs to the place; made when it is first needed."""
        if self._frame is None:
            around = self._maker.frame if self._maker is not None else self.run.frame
            prefix = "" if around.context_id is None else f"{around.context_id}-"
            self._frame = Frame(
                around.engine,
                parent=around,
                context_id=operation_id(f"{prefix}{self._segment}"),
                parent_id=around.parent_id,
                sealed=around.replay_state is ReplayState.SEALED,
                order=self._order,
            )
            self._frame.owner = self
        return self._frame

    def below(self, name: str) -> TaskPlace:
        """Return the place of a task that is made here now, from a coroutine of that name."""
        number = self._made[name] = self._made.get(name, 0) + 1
        if self._frame is None:
            self._order += 1
            after = (0, 1, self._order)
        else:
            after = self._frame.next_position()
        segment = f"task-{name}-{number}"
        return TaskPlace(self.run, maker=self, segment=segment, position=(*self.position, after), step=self.step)


class PlacedTask(asyncio.Task[Any]):
    """A task that knows its place; None if it has none.

    Attributes
    ----------
    work : OperationHandle | None
        The operation that it performs.
    line : tuple | None
        Code and line of the call of that operation.
    is_abandoned : bool
        What it would still do is of no use: it was cancelled for that, not by the user.
    """

    __slots__ = ("is_abandoned", "line", "place", "work")

    place: TaskPlace | None
    work: OperationHandle | None
    line: Line | None
    is_abandoned: bool


def current_task() -> PlacedTask | None:
    """Return the running task, if it is one of ours."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public function raises instead
    task = None if loop is None else asyncio.current_task(loop)
    return task if isinstance(task, PlacedTask) else None


def line_of_call() -> Line | None:
    """Return code and line of the call whose operation is performed here; None in the user's own code."""
    task = current_task()
    return None if task is None or task.place is not None else task.line


def current_place() -> TaskPlace | None:
    """Return the place of the running task; None outside of one, and in a task without a place."""
    task = current_task()
    return None if task is None else task.place


def leave_scope(token: Token[ScopeInfo | None]) -> None:
    """Restore the scope before *token*, unless a coroutine that was left behind is collected in another context."""
    with suppress(ValueError):
        SCOPE.reset(token)


class TaskFactory:
    """Makes the tasks of one invocation, each with its place."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    def __call__(self, loop: DurableLoop, coro: Coroutine[Any, Any, Any] | DurableTask[Any], **options: Any) -> Any:
        """Make a task; a durable call is one already."""
        if isinstance(coro, DurableTask):
            return coro
        options.pop("eager_start", None)
        maker = current_place()
        if maker is not None and maker.run.driver is not self._driver:
            maker = None  # a task of an earlier invocation
        place = None if maker is None else _place_below(maker, coro)
        task = PlacedTask(coro, loop=loop, **options)
        task.place, task.work, task.line, task.is_abandoned = place, None, None, False
        if place is not None and place.step is None:
            self._driver.code.task_made(task, place)
        else:
            task.add_done_callback(self._driver.code.keep_from_log)
        return task


def _place_below(maker: TaskPlace, coro: Any) -> TaskPlace | None:
    called_by = _function_of_asyncio()
    if called_by is asyncio.wait_for.__code__:  # Python 3.11 makes a task for it, later versions don't
        return maker
    if called_by is asyncio.as_completed.__code__:  # it iterates a set, whose order is arbitrary
        return None
    name = getattr(coro, "__name__", None) or type(coro).__qualname__
    return maker.below(name.replace("%", "%25").replace("-", "%2D"))


def _function_of_asyncio() -> CodeType | None:
    """Return which of `wait_for` and `as_completed` is making a task."""
    frame = sys._getframe(3)  # noqa: SLF001 - below this module's frames
    for _ in range(_FRAMES_OF_ASYNCIO):
        if frame.f_globals.get("__name__", "").partition(".")[0] != "asyncio":
            return None
        if frame.f_code in {asyncio.wait_for.__code__, asyncio.as_completed.__code__}:
            return frame.f_code
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
