"""The place of a task among the tasks of a handler. Operation ids are derived from it, not from the order in time.

::

    handler                          operations 1, 2, 3 ...          as in a 'def' handler
      create_task(pack(...))         task-pack-1                     operations task-pack-1-1, -2 ...
      create_task(pack(...))         task-pack-2
        create_task(label())           task-pack-2-task-label-1
      child context (operation 3)    operations 3-1, 3-2 ...         its function is a place too

The function of a context is a place. A task that is created there has a place of its own, identified by the place of
its creator, the name of its coroutine, and the number of tasks with that name that its creator has created. So a task
that only some invocations create, such as one that fills a cache, changes only the places of tasks with the same name
(docs/contributing/protocol.md#tasks).

The place is an attribute of the task. A context variable would also be inherited by callbacks, which have no place.
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
        The driver of the invocation.
    frame : Frame
        The frame of the context.
    place : TaskPlace
        The place of its function.
    path : tuple
        Orders the context among the operations of the handler.
    tasks : dict
        The user's tasks below it that have not ended, in the order of their creation.
    calls : dict
        Durable calls whose results have not been handed over, or whose failure has not been retrieved.
    progress : Future | None
        Completed when one of the calls ends, or begins to wait for the service.
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

    @property
    def waited_at(self) -> str:
        """The line of the call that the function awaits, as ``shop.py:12 in load``; empty if it awaits none."""
        waiting = [task for task in self.calls if task.is_awaited or task.cancelled()]
        waiting.sort(key=lambda task: task.place is not self.place)  # the function's own calls first
        return waiting[0].called_at if waiting else ""

    def note_progress(self) -> None:
        """Tell the code that ends the context that one of its calls has ended or is parked."""
        if self.progress is not None and not self.progress.done():
            self.progress.set_result(None)


class TaskPlace:
    """The place of a context's function or of a task.

    Attributes
    ----------
    run : ContextRun
        The enclosing context.
    step : OperationHandle | None
        The step whose body runs here; no durable call may be made.
    position : tuple
        Orders the places of a context: a task comes after the calls that its creator had made before.
    pending : int
        Number of calls from here whose results have not been handed over.
    replayed : int
        Number of those calls that had ended before this invocation.
    core : object
        The `ContextCore` for this place, kept by `AsyncDurableContext`.
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
    def task(self) -> str:
        """Return ``task pack 2``, with the task that made it, for messages; empty for the function of a context."""
        if self._maker is None:
            return ""
        name, _, number = self._segment.removeprefix("task-").rpartition("-")
        maker = self._maker.task
        return f"task {name} {number}" + (f" of {maker}" if maker else "")

    @property
    def replay_state(self) -> ReplayState:
        """The replay state of the code here; see `replay_progress`."""
        driver, frame = self.run.driver, self.frame
        if frame.replay_state is ReplayState.SEALED:
            return ReplayState.SEALED
        if driver.is_unwinding:
            return ReplayState.UNWINDING
        if self._is_live:
            return ReplayState.LIVE
        if self.replayed or frame.next_record() is not None or driver.replay_progress.continues(frame.parent_id):
            return ReplayState.REPLAY
        self._is_live = True
        return ReplayState.LIVE

    @property
    def frame(self) -> Frame:
        """The frame, which numbers the operations of the place; created when it is first needed."""
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
        """Return a new place, of a task created here for a coroutine with that name."""
        number = self._made[name] = self._made.get(name, 0) + 1
        if self._frame is None:
            self._order += 1
            after = (0, 1, self._order)
        else:
            after = self._frame.next_position()
        segment = f"task-{name}-{number}"
        return TaskPlace(self.run, maker=self, segment=segment, position=(*self.position, after), step=self.step)


class PlacedTask(asyncio.Task[Any]):
    """A task with a place.

    Attributes
    ----------
    place : TaskPlace | None
        Its place; None for a task that performs an operation, and for one that was created outside of any task.
    work : OperationHandle | None
        The operation that it performs.
    line : tuple | None
        Code and line of the durable call of that operation.
    is_abandoned : bool
        It was cancelled because its result is no longer needed, not by the user.
    """

    __slots__ = ("is_abandoned", "line", "place", "work")

    place: TaskPlace | None
    work: OperationHandle | None
    line: Line | None
    is_abandoned: bool


def current_task() -> PlacedTask | None:
    """Return the running task if it is a `PlacedTask`."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the public function raises instead
    task = None if loop is None else asyncio.current_task(loop)
    return task if isinstance(task, PlacedTask) else None


def line_of_call() -> Line | None:
    """Return code and line of the durable call that the running task performs; None in the user's own code."""
    task = current_task()
    return None if task is None or task.place is not None else task.line


def current_place() -> TaskPlace | None:
    """Return the place of the running task; None without a task, or if it has no place."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - as in `current_task`, without a call: durable calls are many
    task = None if loop is None else asyncio.current_task(loop)
    return task.place if isinstance(task, PlacedTask) else None


def leave_scope(token: Token[ScopeInfo | None]) -> None:
    """Restore the scope before *token*; do nothing in an abandoned coroutine that is collected in another context."""
    with suppress(ValueError):
        SCOPE.reset(token)


class TaskFactory:
    """Creates the tasks of one invocation, each with its place."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    def __call__(self, loop: DurableLoop, coro: Coroutine[Any, Any, Any] | DurableTask[Any], **options: Any) -> Any:
        """Create a task; a `DurableTask` is returned unchanged."""
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
            self._driver.code.register_task(task, place)
        else:
            task.add_done_callback(self._driver.code.keep_from_log)
        return task


def _place_below(maker: TaskPlace, coro: Any) -> TaskPlace | None:
    called_by = _function_of_asyncio()
    if called_by is asyncio.wait_for.__code__:  # Python 3.11 creates a task here, later versions don't
        return maker
    if called_by is asyncio.as_completed.__code__:  # it iterates a set, whose order is arbitrary
        return None
    name = getattr(coro, "__name__", None) or type(coro).__qualname__
    return maker.below(name.replace("%", "%25").replace("-", "%2D"))


def _function_of_asyncio() -> CodeType | None:
    """Return the code of `wait_for` or `as_completed` if one of them is creating a task."""
    frame = sys._getframe(3)  # noqa: SLF001 - the caller of this module's functions
    for _ in range(_FRAMES_OF_ASYNCIO):
        if frame.f_globals.get("__name__", "").partition(".")[0] != "asyncio":
            return None
        if frame.f_code in {asyncio.wait_for.__code__, asyncio.as_completed.__code__}:
            return frame.f_code
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
