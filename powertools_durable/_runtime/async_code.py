"""Runs the user's code on an event loop: the handler, child contexts and branches, and the tasks that they create."""

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
from powertools_durable._runtime.replay_progress import TaskReplayState
from powertools_durable._runtime.reports import warn_of_replaced, warn_of_swallowed
from powertools_durable._runtime.signals import STOPS_SERIES, UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.task_places import ContextRun, PlacedTask, TaskPlace, current_task, leave_scope
from powertools_durable._runtime.unconsumed import check_context_end, check_suspension
from powertools_durable._runtime.wakeups import line_of, location_of, waits_only_for_durable_calls
from powertools_durable.errors import SuspendExecution, ValidationError
from powertools_durable.scope import SCOPE, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.environment import Probe

__all__ = ["AsyncCode"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class AsyncCode:
    """The part of the async driver that runs the user's code.

    Attributes
    ----------
    tasks : dict
        The tasks that run the user's code, except the bodies of steps.
    is_unwinding : bool
        The code is being cancelled, because the execution is suspended or the invocation has failed.
    """

    def __init__(self, driver: AsyncDriver, probe: Probe | None) -> None:
        self.tasks: dict[PlacedTask, None] = {}
        self.is_unwinding = False
        self._driver = driver
        self._probe = probe
        self._runs: dict[ContextRun, None] = {}
        self._cancelled_at: dict[PlacedTask | None, str] = {}  # the lines at which tasks waited, for a probe
        self._unwound: asyncio.Future[None] = driver.loop.create_future()  # completed when the code is to end

    # -- contexts --------------------------------------------------------------------------------------------

    async def enter(self, effect: Enter, path: tuple[Any, ...]) -> Outcome:
        """Run the code of a context in the current task; *path* is the place of the context."""
        run = ContextRun(self._driver, effect.frame, path)
        outcome = await self._run_context(run, partial(self._run_effect, run, effect))
        if isinstance(outcome, Returned):
            check_context_end(effect.frame, self._driver.first_calls)
        elif self._driver.failures is not None:
            self._driver.failures.log_virtual_context(effect.frame, outcome.error)
        return outcome

    async def _run_effect(self, run: ContextRun, effect: Enter) -> Outcome:
        if callable(effect.body):
            return await self._run_function(run, partial(effect.body, effect.frame))
        outcome: Outcome = await self._run_series(run, effect.frame, effect.body)
        return outcome

    async def _run_context(self, run: ContextRun, inside: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        """Run the code of a context in the current task; its tasks and calls have ended afterwards."""
        runner = current_task()
        if runner is None:
            raise AssertionError
        self._check_unwinding()
        before, runner.place = runner.place, run.place
        token = SCOPE.set(self._scope_of(run))
        self._runs[run] = None
        self.tasks[runner] = None
        try:
            return await inside()
        except asyncio.CancelledError as error:
            if not self.is_unwinding:  # which has cancelled them, once: a ``finally`` block may await something
                self._cancel_below(run)
            if self.is_unwinding or runner.is_abandoned:
                raise
            return Raised(error)  # type: ignore[arg-type]  # raised by user code: the context fails with it
        finally:
            run.frame.closed = True
            if self._probe is not None:
                self._probe.context_ended(run.frame)
            self.tasks.pop(runner, None)
            self._runs.pop(run, None)
            leave_scope(token)
            runner.place = before

    def _check_unwinding(self) -> None:
        """End the running task if an unwind has begun: only the tasks that were in a context then were cancelled."""
        if self.is_unwinding:
            raise asyncio.CancelledError

    def _scope_of(self, run: ContextRun) -> ScopeInfo:
        return replace(self._driver.scopes.of_context(run.frame), where=TaskReplayState(run))

    async def _run_function(
        self, run: ContextRun, body: Callable[[], Any], passes: tuple[type[BaseException], ...] = UNRECOVERABLE
    ) -> Outcome:
        """Run the user's function once, and end the tasks that it leaves running."""
        outcome: Outcome
        try:
            value = body()
            outcome = Returned(awaited_result(await value, value) if inspect.isawaitable(value) else value)
        except Exception as error:
            if self.is_unwinding:
                warn_of_replaced(error)
                self._report_to_probe(run)
                raise asyncio.CancelledError from None
            if isinstance(error, passes):
                raise
            outcome = Raised(_recorded_form(error))
        if self.is_unwinding:
            warn_of_swallowed(run.frame, run.waited_at)
            self._report_to_probe(run)
            raise asyncio.CancelledError
        return await self._end_tasks_below(run, outcome)

    def _report_to_probe(self, run: ContextRun) -> None:
        """Report code that swallowed or replaced the cancellation that suspends the execution."""
        if self._probe is not None and run.frame.suspension is not None:
            self._probe.swallowed(run.frame, self.cancelled_at)

    @property
    def cancelled_at(self) -> str:
        """Where the running task waited when the execution was suspended; empty if nobody asks for it."""
        return self._cancelled_at.get(current_task(), "")

    # -- tasks and calls that code leaves running ------------------------------------------------------------

    def _cancel_below(self, run: ContextRun) -> list[PlacedTask]:
        """Cancel the user's tasks and the child contexts below a context; return their tasks."""
        tasks = [task for task in run.tasks if not task.done()]
        for call in run.calls:
            if call.runner is not None and call.call is not None and call.call.op.type is OperationType.CONTEXT:
                call.runner.is_abandoned = True
                tasks.append(call.runner)
        for task in tasks:
            task.cancel()
        return tasks

    def calls_in(self, context: Frame) -> list[DurableTask[Any]]:
        """Return the durable calls that run in a context, but for those in contexts inside it."""
        return [call for run in self._runs if run.frame is context for call in run.calls]

    def abandon_below(self, context: Frame) -> None:
        """Cancel the operations that run in a context, and in those inside it, because it is cancelled itself."""
        for run in self._runs:
            frame: Frame | None = run.frame
            while frame is not None and frame is not context:
                frame = frame.parent
            for call in run.calls if frame is not None else ():
                if call.runner is not None:
                    self._driver.abandon(call.runner)

    async def _end_tasks_below(self, run: ContextRun, outcome: Outcome) -> Outcome:
        """End everything below a context whose function has ended.

        Cancels tasks, waits for the bodies of steps, and logs operations that wait for the service and are not awaited.
        """
        while tasks := self._cancel_below(run):
            await asyncio.wait(tasks)
        while any(task.runner is not None and not task.is_parked for task in run.calls):
            run.progress = self._driver.loop.create_future()
            await run.progress
        for task in [task for task in run.calls if task.runner is not None]:
            if not (task.is_awaited or task.is_contestant or task.done()):
                logger.warning("%s was not awaited; its context ends without it%s", _label(task), _at(task))
            self._abandon(task)
        self._driver.watch.hand_over_all_of(run)
        failed = [task for task in run.calls if isinstance(task.outcome, Raised)]
        if failed:
            await asyncio.sleep(0)  # done-callbacks may still retrieve a failure
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

    def _abandon(self, task: DurableTask[Any]) -> None:
        """Stop waiting for a parked operation."""
        if task.runner is not None:
            self._driver.abandon(task.runner)
        task.cancel()

    def register_task(self, task: PlacedTask, place: TaskPlace) -> None:
        """Register a task that runs the user's code."""
        self.tasks[task] = None
        place.run.tasks[task] = None
        self._driver.sending.count_concurrent(1)
        task.add_done_callback(self._task_ended)
        if self.is_unwinding:
            task.cancel()

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if isinstance(task, PlacedTask) and task.place is not None:
            self.tasks.pop(task, None)
            task.place.run.tasks.pop(task, None)
            self._driver.sending.count_concurrent(-1)
        self.keep_from_log(task)

    def keep_from_log(self, task: asyncio.Task[Any]) -> None:
        """Keep asyncio from logging a misplaced call as never retrieved: the execution fails with it anyway."""
        is_mistaken = isinstance(self._driver.engine.interruption, ValidationError)
        if is_mistaken and isinstance(getattr(task, "_exception", None), ValidationError):
            task.exception()  # now it counts as retrieved

    # -- series ----------------------------------------------------------------------------------------------

    async def perform_series(self, run: ContextRun, composite: Composite[Any], _: DurableTask[Any]) -> Outcome | None:
        """Perform a series; return its outcome, or None if it was stopped."""
        with composite.frame.busy(SERIES):
            try:
                return Returned(await self._run_series(run, composite.frame, composite.flow))
            except (BranchOrphaned, CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
                return None
            except Exception as error:  # noqa: BLE001 - raised where the call is awaited
                return Raised(error)

    async def _run_series(self, run: ContextRun, frame: Frame, flow: Series[T]) -> T:
        answer: object = None
        try:
            while True:
                match flow.send(answer):
                    case Run(body, to_the_end):
                        answer = await self._run_function(run, body, STOPS_SERIES if to_the_end else UNRECOVERABLE)
                    case Perform() as effect:
                        answer = await self._perform_call(frame, effect)
                    case Flush():
                        await self._driver.sending.flush_now(frame)
                        answer = None
        except StopIteration as done:
            value: T = done.value
        finally:
            flow.close()
        return value

    async def _perform_call(self, frame: Frame, effect: Perform) -> Outcome:
        if self.is_unwinding or self._driver.engine.interruption is not None or frame.is_orphaned:
            raise asyncio.CancelledError
        if effect.after is not None and self._driver.failures is not None:
            self._driver.failures.log_retried_calls(frame, effect.after)
        try:
            return Returned(await self._driver.drive(effect.begin(), current_task()))
        except STOPS_SERIES:
            raise
        except Exception as error:  # noqa: BLE001 - the flow decides about it
            return Raised(error)

    # -- the handler -----------------------------------------------------------------------------------------

    async def supervise(self, composite: Composite[Any]) -> Ending | BaseException:
        """Run the handler, then its deferred calls; all its tasks have ended afterwards, or are abandoned."""
        frame = composite.frame
        run = ContextRun(self._driver, frame)
        handler = self._driver.start(self._run_context(run, partial(self._run_handler, run, composite)))
        await asyncio.wait([handler, self._unwound], return_when=asyncio.FIRST_COMPLETED)
        self._driver.watch.is_over = True
        await self._end_tasks()
        if self.is_unwinding or handler.cancelled():
            if frame.suspension is None:
                return CheckpointingStopped(self._driver.engine.interruption or asyncio.CancelledError())
            return Suspended(frame.suspension)
        error = handler.exception()
        return handler.result() if error is None else error

    async def _run_handler(self, run: ContextRun, composite: Composite[Any]) -> Outcome:
        try:
            return Returned(await self._run_series(run, composite.frame, composite.flow))
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the execution fails with it
            return Raised(error)

    async def _end_tasks(self) -> None:
        """Cancel the remaining tasks, and wait a moment for their end."""
        own = asyncio.current_task()
        tasks = [task for task in {**self.tasks, **self._driver.runners} if not task.done() and task is not own]
        for task in tasks:
            if not (self.is_unwinding and task in self.tasks):  # `unwind` has cancelled those, once
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._driver.watch.patience)
        for task in tasks:
            if not task.done():
                self.tasks[task] = None
                if waits_only_for_durable_calls(task):  # for another one, which is logged
                    continue
                logger.warning("a task did not end when it was cancelled, at %s; it is abandoned", line_of(task))

    def unwind(self, signal: SuspendExecution | None) -> None:
        """Cancel the code, to suspend the execution with *signal*, or because an error has interrupted the engine."""
        if self.is_unwinding:
            return
        if signal is not None and all(map(waits_only_for_durable_calls, self.tasks)):
            check_suspension(self._driver.engine, self._driver.first_calls)
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
    return f", at {task.called_at}" if task.called_at else ""


def _recorded_form(error: Exception) -> Exception:
    """Return *error*.

    Raises
    ------
    Exception
        The first `UNRECOVERABLE` error in *error*, if that is a group.
    """
    if isinstance(error, BaseExceptionGroup):
        unrecoverable: BaseException | None = error.subgroup(UNRECOVERABLE)
        while isinstance(unrecoverable, BaseExceptionGroup):
            unrecoverable = unrecoverable.exceptions[0]
        if unrecoverable is not None:
            raise unrecoverable
    return error
