"""Checks the place of a durable call in ``async def`` code; `placement` explains the consequences of a wrong place."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NoReturn

from powertools_durable._runtime.placement import (
    ANOTHER_CALLBACK,
    ANOTHER_CONTEXT,
    CREATE_YOUR_OWN,
    FOREIGN,
    IN_A_HOOK,
    NOT_AFTER,
    NOT_IN_A_STEP,
    NOT_IN_AUXILIARY_CODE,
    OVER,
    USE_YOUR_OWN,
    auxiliary_code,
    is_in_a_hook,
    misplaced,
    root_of,
    running_frame,
)
from powertools_durable._runtime.reports import warn_of_call
from powertools_durable._runtime.task_places import TaskPlace, current_task
from powertools_durable.scope import SCOPE

if TYPE_CHECKING:
    from powertools_durable._replay.frame import Frame
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.environment import Probe

__all__ = ["SERIES", "AsyncPlacement"]

SERIES = "run_compensations, flush_batch, or the end of a batch or saga"
"""Names a running series in messages. Other calls are refused meanwhile: their ids would depend on timing."""


class AsyncPlacement:
    """Checks the calls of one invocation."""

    def __init__(self, driver: AsyncDriver, probe: Probe | None) -> None:
        self._driver = driver
        self._probe = probe

    def require_open(self, frame: Frame, call: str) -> NoReturn:
        """Stop code that makes a durable call while it is being ended.

        Raises
        ------
        CancelledError
            Always: async code is ended by cancellation, whatever the reason.
        """
        run = frame.owner.run if isinstance(frame.owner, TaskPlace) else None
        context = frame if run is None else run.frame  # not that of a task
        if context.suspension is not None:
            if self._probe is not None:
                if isinstance(sys.exception(), asyncio.CancelledError):
                    self._probe.refused(context, call)
                else:
                    self._probe.swallowed(context, self._driver.code.cancelled_at)
            warn_of_call(context, asyncio.CancelledError, "" if run is None else run.waited_at)
        raise asyncio.CancelledError

    def check(self, frame: Frame, call: str, place: TaskPlace | None) -> None:
        """Refuse a call that does not come from the code of *frame*.

        Raises
        ------
        ValidationError
            The place is wrong. The execution fails with this error, even if the code catches it.
        CancelledError
            The code is being ended.
        """
        driver, root = self._driver, root_of(frame)
        is_ending = driver.is_unwinding and place is not None and place.run.driver is driver
        if root.closed and not is_ending:
            raise misplaced(call, *OVER)
        scope = SCOPE.get()
        running = running_frame(scope)
        if running is not None and running.engine is not driver.engine:
            raise misplaced(call, *FOREIGN)
        if is_in_a_hook(scope):
            raise misplaced(call, *IN_A_HOOK)
        mistake = self._mistake(frame, call, place)
        if mistake is None:
            return
        if driver.is_unwinding and _loop_or_none() is driver.loop:
            self.require_open(frame, call)
        error = misplaced(call, *mistake)
        driver.checkpointer.interrupt(error, unless_over=root)
        raise error

    def _mistake(self, frame: Frame, call: str, place: TaskPlace | None) -> tuple[str, str] | None:  # noqa: C901
        driver = self._driver
        scope = SCOPE.get()
        if scope is not None and scope.step is not None:
            step = scope.step.name or scope.step.operation_id[:8]
            return f"is called inside the body of step {step!r}", NOT_IN_A_STEP
        loop = _loop_or_none()
        if loop is None:
            return "is called from a thread without the handler's event loop", _NOT_ON_A_THREAD
        if loop is not driver.loop:
            return "is called from another event loop than the handler's", _NOT_ON_A_THREAD
        if driver.has_other_task_factory:
            return "is called after a task factory was set on the handler's event loop", _NO_FACTORY
        if place is None:
            task = current_task()
            if task is not None and task.work is not None:
                return f"is called by {auxiliary_code(task.work)}", NOT_IN_AUXILIARY_CODE
            return "is called from a task that has no place among the handler's tasks", _NO_PLACE
        if place.step is not None:
            return f"is called inside the body of {place.step.label}", NOT_IN_A_STEP
        if frame.closed:
            return "is called after its context has ended", NOT_AFTER
        if place is not frame.owner:
            is_callback = call.startswith("callback.")
            return (ANOTHER_CALLBACK, CREATE_YOUR_OWN) if is_callback else (ANOTHER_CONTEXT, USE_YOUR_OWN)
        if frame.busy_with is SERIES:
            return f"is called while {SERIES} is under way in the same task", "; await that first"
        if frame.busy_with is not None:
            return f"is called by {auxiliary_code(frame.busy_with)}", NOT_IN_AUXILIARY_CODE
        return None


def _loop_or_none() -> asyncio.AbstractEventLoop | None:
    return asyncio._get_running_loop()  # noqa: SLF001 - the public function raises instead


_NOT_ON_A_THREAD = (
    "; the ids of operations are derived from the tasks that make the calls, and other threads and loops have no such "
    "tasks. Use tasks of the handler's loop, and start threads inside a step"
)
_NO_FACTORY = "; it replaces the factory that gives tasks their place. Remove the call of set_task_factory()"
_NO_PLACE = (
    ", so its operations would get other ids on a replay: asyncio.as_completed() starts coroutines in arbitrary order, "
    "and callbacks (call_soon, call_later, run_coroutine_threadsafe) start them outside of any task. Create a task "
    "first: asyncio.create_task(...), or asyncio.TaskGroup"
)
