"""Runs the user's code on an event loop: the handler, child contexts and branches, and the tasks that they make."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import (
    Composite,
    Ending,
    Enter,
    Flush,
    Outcome,
    Perform,
    Raised,
    Returned,
    Run,
    Series,
    Suspended,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.async_bodies import awaited_result
from powertools_durable._runtime.async_placement import SERIES
from powertools_durable._runtime.durable_task import DurableTask
from powertools_durable._runtime.reports import tell_dropped, tell_swallowed
from powertools_durable._runtime.signals import NO_END, UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.task_places import ContextRun, PlacedTask, TaskPlace, current_task, leave_scope
from powertools_durable._runtime.unconsumed import look_in_context
from powertools_durable._runtime.wakeups import line_of, location_of, waits_only_for_durable_calls
from powertools_durable._runtime.whereabouts import Whereabouts
from powertools_durable.errors import SuspendExecution, ValidationError
from powertools_durable.errors.places import without_folders
from powertools_durable.scope import SCOPE, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.environment import Probe

__all__ = ["AsyncCode"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class AsyncCode:
    """The part of a driver that runs the user's code.

    Attributes
    ----------
    tasks : dict
        The tasks that run it, but for bodies.
    is_unwinding : bool
        The code is being cancelled, because the execution is suspended or the invocation has failed.
    """

    def __init__(self, driver: AsyncDriver, probe: Probe | None) -> None:
        self.tasks: dict[PlacedTask, None] = {}
        self.is_unwinding = False
        self._driver = driver
        self._probe = probe
        self._runs: dict[ContextRun, None] = {}
        self._cancelled_at: dict[PlacedTask | None, str] = {}  # where tasks waited; for a probe
        self._unwound: asyncio.Future[None] = driver.loop.create_future()  # completed when the code is to end

    # -- contexts --------------------------------------------------------------------------------------------

    async def enter(self, effect: Enter, path: tuple[Any, ...]) -> Outcome:
        """Run the code of a context on the present task; *path* is where the context stands."""
        run = ContextRun(self._driver, effect.frame, path)
        outcome = await self._context(run, partial(self._inside, run, effect))
        if isinstance(outcome, Returned):
            look_in_context(effect.frame)
        elif self._driver.failures is not None:
            self._driver.failures.of_virtual(effect.frame, outcome.error)
        return outcome

    async def _inside(self, run: ContextRun, effect: Enter) -> Outcome:
        if callable(effect.body):
            return await self._code(run, partial(effect.body, effect.frame))
        outcome: Outcome = await self._series(run, effect.frame, effect.body)
        return outcome

    async def _context(self, run: ContextRun, inside: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        """Run the code of a context as the present task; nothing below it runs afterwards."""
        runner = current_task()
        if runner is None:
            raise AssertionError
        before, runner.place = runner.place, run.place
        token = SCOPE.set(self._scope_of(run))
        self._runs[run] = None
        self.tasks[runner] = None
        try:
            return await inside()
        except asyncio.CancelledError as error:
            self._cancel_below(run)
            if self.is_unwinding or runner.is_abandoned:
                raise
            return Raised(error)  # type: ignore[arg-type]  # the user's own: it fails the context
        finally:
            run.frame.closed = True
            if self._probe is not None:
                self._probe.context_ended(run.frame)
            self.tasks.pop(runner, None)
            self._runs.pop(run, None)
            leave_scope(token)
            runner.place = before

    def _scope_of(self, run: ContextRun) -> ScopeInfo:
        return replace(self._driver.scopes.of_context(run.frame), where=Whereabouts(run))

    async def _code(
        self, run: ContextRun, body: Callable[[], Any], passes: tuple[type[BaseException], ...] = UNRECOVERABLE
    ) -> Outcome:
        """Run the user's function once, and end what it leaves running."""
        outcome: Outcome
        try:
            value = body()
            outcome = Returned(awaited_result(await value, value) if inspect.isawaitable(value) else value)
        except Exception as error:
            if self.is_unwinding:
                tell_dropped(error)
                self._tell_probe(run)
                raise asyncio.CancelledError from None
            if isinstance(error, passes):
                raise
            outcome = Raised(_recorded_form(error))
        if self.is_unwinding:
            tell_swallowed(run.frame)
            self._tell_probe(run)
            raise asyncio.CancelledError
        return await self._left_running(run, outcome)

    def _tell_probe(self, run: ContextRun) -> None:
        """Tell of code that has ended otherwise than by the cancellation that suspends the execution."""
        if self._probe is not None and run.frame.suspension is not None:
            self._probe.swallowed(run.frame, self._cancelled_at.get(current_task(), ""))

    # -- what code leaves running ----------------------------------------------------------------------------

    def _cancel_below(self, run: ContextRun) -> list[PlacedTask]:
        """Cancel the user's tasks below a context, and the contexts in it that nobody awaits; return them."""
        tasks = [task for task in run.tasks if not task.done()]
        for call in run.calls:
            if call.runner is not None and call.call is not None and call.call.op.type is OperationType.CONTEXT:
                call.runner.is_abandoned = True
                tasks.append(call.runner)
        for task in tasks:
            task.cancel()
        return tasks

    async def _left_running(self, run: ContextRun, outcome: Outcome) -> Outcome:
        """End the tasks below a context whose function has ended, wait for bodies, name what is parked."""
        while tasks := self._cancel_below(run):
            await asyncio.wait(tasks)
        while any(task.runner is not None and not task.is_parked for task in run.calls):
            run.progress = self._driver.loop.create_future()
            await run.progress
        for task in [task for task in run.calls if task.runner is not None]:
            if not (task.is_awaited or task.is_contestant or task.done()):
                logger.warning("%s was not awaited; its context ends without it%s", _label(task), _at(task))
            self._leave(task)
        self._driver.watch.hand_over_those_of(run)
        failed = [task for task in run.calls if isinstance(task.outcome, Raised)]
        if failed:
            await asyncio.sleep(0)  # done-callbacks may still ask for a failure
        for task in failed:
            error = task.outcome.error if isinstance(task.outcome, Raised) else None
            if task.is_retrieved or task.cancelled() or error is None:
                continue
            if task.is_contestant:
                logger.warning("%s failed after it had lost a race%s", _label(task), _at(task))
            elif isinstance(outcome, Returned):
                outcome = Raised(error)
        run.calls.clear()
        return outcome

    def _leave(self, task: DurableTask[Any]) -> None:
        """Leave a parked operation behind."""
        if task.runner is not None:
            self._driver.abandon(task.runner)
        task.cancel()

    def task_made(self, task: PlacedTask, place: TaskPlace) -> None:
        """Note a task that runs the user's code."""
        self.tasks[task] = None
        place.run.tasks[task] = None
        self._driver.sending.beside(1)
        task.add_done_callback(self._task_ended)
        if self.is_unwinding:
            task.cancel()

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if isinstance(task, PlacedTask) and task.place is not None:
            self.tasks.pop(task, None)
            task.place.run.tasks.pop(task, None)
            self._driver.sending.beside(-1)
        self.keep_from_log(task)

    def keep_from_log(self, task: asyncio.Task[Any]) -> None:
        """Keep asyncio from logging, whenever a task is collected, a misplaced call: one has failed the execution."""
        is_mistaken = isinstance(self._driver.engine.interruption, ValidationError)
        if is_mistaken and isinstance(getattr(task, "_exception", None), ValidationError):
            task.exception()  # now it counts as retrieved

    # -- series ----------------------------------------------------------------------------------------------

    async def perform_series(self, run: ContextRun, composite: Composite[Any], _: DurableTask[Any]) -> Outcome | None:
        """Perform what several calls in turn ask for."""
        with composite.frame.busy(SERIES):
            try:
                return Returned(await self._series(run, composite.frame, composite.flow))
            except (BranchOrphaned, CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
                return None
            except Exception as error:  # noqa: BLE001 - raised where the call is awaited
                return Raised(error)

    async def _series(self, run: ContextRun, frame: Frame, flow: Series[T]) -> T:
        answer: object = None
        try:
            while True:
                match flow.send(answer):
                    case Run(body, to_the_end):
                        answer = await self._code(run, body, NO_END if to_the_end else UNRECOVERABLE)
                    case Perform() as effect:
                        answer = await self._performed(frame, effect)
                    case Flush():
                        await self._driver.sending.flush_now(frame)
                        answer = None
        except StopIteration as done:
            value: T = done.value
        finally:
            flow.close()
        return value

    async def _performed(self, frame: Frame, effect: Perform) -> Outcome:
        if self.is_unwinding or self._driver.engine.interruption is not None or frame.is_orphaned:
            raise asyncio.CancelledError
        if effect.after is not None and self._driver.failures is not None:
            self._driver.failures.of_retried_calls(frame, effect.after)
        try:
            return Returned(await self._driver.drive(effect.begin(), current_task()))
        except NO_END:
            raise
        except Exception as error:  # noqa: BLE001 - the flow decides about it
            return Raised(error)

    # -- the handler -----------------------------------------------------------------------------------------

    async def supervise(self, composite: Composite[Any]) -> Ending | BaseException:
        """Run the handler, and what follows its end; afterwards nothing of it runs any more."""
        frame = composite.frame
        run = ContextRun(self._driver, frame)
        handler = self._driver.start(self._context(run, partial(self._root_code, run, composite)))
        await asyncio.wait([handler, self._unwound], return_when=asyncio.FIRST_COMPLETED)
        self._driver.watch.is_over = True
        await self._end_tasks()
        if self.is_unwinding or handler.cancelled():
            if frame.suspension is None:
                return CheckpointingStopped(self._driver.engine.interruption or asyncio.CancelledError())
            return Suspended(frame.suspension)
        error = handler.exception()
        return handler.result() if error is None else error

    async def _root_code(self, run: ContextRun, composite: Composite[Any]) -> Outcome:
        try:
            return Returned(await self._series(run, composite.frame, composite.flow))
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the execution fails with it
            return Raised(error)

    async def _end_tasks(self) -> None:
        """Cancel the tasks that are left, and give them a moment to end."""
        own = asyncio.current_task()
        tasks = [task for task in {**self.tasks, **self._driver.runners} if not task.done() and task is not own]
        for task in tasks:
            if not (self.is_unwinding and task in self.tasks):  # `unwind` has cancelled those, once
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._driver.watch.longest)
        for task in tasks:
            if not task.done():
                self.tasks[task] = None
                if waits_only_for_durable_calls(task):  # for another one, which is named
                    continue
                logger.warning("a task did not end when it was cancelled, at %s; it is left behind", line_of(task))

    def unwind(self, signal: SuspendExecution | None) -> None:
        """Cancel the code: the execution is suspended with *signal*, or the engine says why it ends."""
        if self.is_unwinding:
            return
        self.is_unwinding = True
        if signal is None and self._driver.engine.interruption is None:
            signal = SuspendExecution()  # the service has withdrawn the token
        if signal is not None:
            for run in self._runs:
                run.frame.suspend(signal)
        if self._probe is not None:
            self._cancelled_at = {task: location_of(task) for task in self.tasks}
        for task in list(self.tasks):
            task.cancel()
        self._unwound.set_result(None)
        self._driver.watch.is_over = True


def _label(task: DurableTask[Any]) -> str:
    return "a durable call" if task.call is None else task.call.op.label


def _at(task: DurableTask[Any]) -> str:
    if task.line is None:
        return ""
    code, line = task.line
    return f", at {without_folders(code.co_filename)}:{line} in {code.co_name}"


def _recorded_form(error: Exception) -> Exception:
    """Return *error*; of a group that holds a mistake in the code, or changed code, that."""
    if isinstance(error, BaseExceptionGroup):
        found: BaseException | None = error.subgroup(UNRECOVERABLE)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if found is not None:
            raise found
    return error
