"""Performs effects without blocking: the driver of ``async def`` handlers.

The code of the handler, of child contexts and of branches runs on an event loop, on the thread that Lambda called. A
durable call begins its operation at once and returns a `DurableTask`. Effects that take time are performed by a task,
one for each operation that has no recorded result yet. `IdleWatch` hands over the results.

A suspension is not raised in the code: it cancels the tasks. ``finally`` blocks run, and the results of the code are
ignored from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Composite,
    Effect,
    Ending,
    Enter,
    FanOut,
    Outcome,
    Raised,
    Returned,
    Suspend,
    Transfer,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.async_bodies import AsyncBodies
from powertools_durable._runtime.async_branches import BranchTasks
from powertools_durable._runtime.async_code import AsyncCode
from powertools_durable._runtime.async_placement import AsyncPlacement
from powertools_durable._runtime.async_sending import AsyncSending
from powertools_durable._runtime.driving import Driving
from powertools_durable._runtime.durable_task import DurableTask, Line, users_line
from powertools_durable._runtime.idle import IdleWatch
from powertools_durable._runtime.loop import Loops, silence
from powertools_durable._runtime.placement import is_in_a_hook
from powertools_durable._runtime.replay_progress import ReplayProgress
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.task_places import PlacedTask, TaskFactory, TaskPlace, current_place
from powertools_durable.errors import SuspendExecution
from powertools_durable.scope import SCOPE, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._runtime.checkpointer import Checkpointer
    from powertools_durable._runtime.deadline import Deadline
    from powertools_durable._runtime.environment import Environment
    from powertools_durable._runtime.observers import Observers
    from powertools_durable._runtime.scopes import Scopes

__all__ = ["LOOPS", "AsyncDriver"]

T = TypeVar("T")

LOOPS = Loops()


class AsyncDriver(Driving):
    """Performs flows on an event loop."""

    def __init__(
        self,
        engine: ReplayEngine,
        checkpointer: Checkpointer,
        deadline: Deadline,
        scopes: Scopes,
        *,
        environment: Environment,
        max_threads: int,
        grace: float = 1.0,
        observers: Observers | None = None,
    ) -> None:
        super().__init__(engine, checkpointer, deadline, scopes, environment=environment, observers=observers)
        self._performer: Any = None if environment.performer is None else environment.performer(self)
        self._loops = environment.loops or LOOPS
        self.loop = self._loops.take()
        self.sending = AsyncSending(self)
        self.bodies = AsyncBodies(self, max_threads, environment)
        self.code = AsyncCode(self, environment.probe)
        self.runners: dict[PlacedTask, None] = {}  # tasks that perform operations
        self._root: Frame
        self.factory = TaskFactory(self)
        self.placement = AsyncPlacement(self, environment.probe)
        self.replay_progress = ReplayProgress(engine)
        self.first_calls = self.replay_progress.first_calls
        self.watch = IdleWatch(
            self.loop,
            engine,
            checkpointer,
            deadline,
            environment.clock,
            grace=grace,
            unwind=self._unwind,
            poll=lambda: self.sending.poll(self._root),
            tasks=self.code.tasks,
        )

    # -- may this call be made here and now? -----------------------------------------------------------------

    def guard(self, frame: Frame, call: str) -> None:
        """Refuse a durable call that would be recorded at the wrong place, before it takes an id.

        Raises
        ------
        CancelledError
            The execution is being suspended, or the invocation has failed.
        ValidationError
            The call is made inside a step, in another task, on another thread or loop, or after the context's end.
        """
        place = current_place()
        if (
            place is None
            or place is not frame.owner
            or place.step is not None
            or frame.busy_with is not None
            or frame.closed
            or self.loop.task_factory is not self.factory
            or (self.observers is not None and is_in_a_hook(SCOPE.get()))
        ):
            self.placement.check(frame, call, place)
        if self.code.is_unwinding or self.engine.interruption is not None or frame.is_orphaned:
            self.placement.require_open(frame, call)

    @property
    def is_unwinding(self) -> bool:
        """True while the code is cancelled, because the execution is suspended or the invocation has failed."""
        return self.code.is_unwinding

    @property
    def has_other_task_factory(self) -> bool:
        """True if the user's code has replaced the task factory."""
        return self.loop.task_factory is not self.factory

    # -- performing ------------------------------------------------------------------------------------------

    def drive(self, call: Call[T], series: PlacedTask | None = None) -> DurableTask[T]:
        """Begin the operation of *call*, made by the user's code, or by the task of *series*.

        Raises
        ------
        ValidationError, NonDeterminismError
            The call is a mistake; nothing was recorded.
        """
        line = users_line() if series is None else series.line
        frame, op, flow = call.frame, call.op, call.flow
        if self._performer is not None:
            flow = self._performer.begin(call)
        elif self.is_observed:
            flow = self.observe_call(frame, op, flow)
        task = self._new_task(call, frame, line)
        # A copy: context variables that plugins set, such as a span, are for the operation alone.
        context = None if self.observers is None else copy_context()
        op.place = op.place or line  # a task of the loop performs it, whose stack does not show the call
        before, frame.busy_with = frame.busy_with, op  # a serdes or a rule that runs now must not call
        try:
            begin = frame, op, flow, None
            effect = self._advance(*begin) if context is None else context.run(self._advance, *begin)
        except StopIteration as done:
            self._set_outcome(task, Returned(done.value))
        except UNRECOVERABLE:
            self._forget(task)
            raise
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            self._set_outcome(task, Raised(error))
        else:
            perform = self._perform if self._performer is None else self._performer.perform
            self._start_runner(task, partial(perform, flow, effect), op, context)
        finally:
            frame.busy_with = before
        return task

    def at_once(self, call: Call[T]) -> T:
        """Perform *call* without waiting for the service."""
        if self._performer is not None:
            return self._performer.at_once(call)  # type: ignore[no-any-return]
        try:
            raise AssertionError(self._advance(call.frame, call.op, call.flow, None))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def begin(
        self, call: Call[Any], perform: Callable[[DurableTask[Any]], Coroutine[Any, Any, Outcome | None]]
    ) -> DurableTask[Any]:
        """Begin an operation that *perform* performs; its outcome is None if it was stopped."""
        task = self._new_task(call, call.frame, users_line())
        perform = perform if self._performer is None else partial(self._performer.race, perform)
        self._start_runner(task, perform, call.op)
        return task

    def _start_runner(
        self,
        task: DurableTask[Any],
        perform: Callable[[DurableTask[Any]], Coroutine[Any, Any, Outcome | None]],
        op: OperationHandle | None = None,
        context: Context | None = None,
    ) -> None:
        task.runner = self.start(perform(task), op, context)
        task.runner.line = task.line
        task.runner.add_done_callback(partial(self._operation_done, task))

    def _operation_done(self, task: DurableTask[Any], runner: asyncio.Task[Outcome | None]) -> None:
        task.runner = None
        task.place.run.note_progress()
        outcome = None if runner.cancelled() or runner.exception() is not None else runner.result()
        if outcome is None:
            self._forget(task)
            task.cancel()
        else:
            self._set_outcome(task, outcome)

    def _new_task(self, call: Call[T] | None, frame: Frame, line: Line | None) -> DurableTask[T]:
        """Create the task of a call, or of a series in *frame*, and count it at its place."""
        place = self.place_of(frame)
        task: DurableTask[T] = DurableTask(self, call, place, line)
        task.was_ended = call is not None and self.replay_progress.includes(call, line)
        place.replayed += task.was_ended
        place.run.calls[task] = None
        self.watch.open += 1
        place.pending += 1
        if place.pending > 1:
            self.sending.count_concurrent(1)
        return task

    def _settle(self, task: DurableTask[Any]) -> None:
        task.place.replayed -= task.was_ended
        task.place.pending -= 1
        if task.place.pending:
            self.sending.count_concurrent(-1)

    def place_of(self, frame: Frame) -> TaskPlace:
        """Return the place of the task or context that *frame* belongs to."""
        owner = frame.owner
        if not isinstance(owner, TaskPlace):
            raise AssertionError  # noqa: TRY004 - each frame of this driver has one
        return owner

    def _unwind(self, signal: SuspendExecution | None) -> None:
        """Cancel the code, unless a performer can make it continue."""
        if signal is None or self._performer is None or not self._performer.is_stuck():
            self.code.unwind(signal)

    def abandon(self, runner: PlacedTask) -> None:
        """Cancel the task of an operation whose result is no longer needed."""
        runner.is_abandoned = True
        runner.cancel()

    def start(
        self, work: Coroutine[Any, Any, Any], op: OperationHandle | None = None, context: Context | None = None
    ) -> PlacedTask:
        """Run *work* for the operation *op* in a task without a place."""
        runner = PlacedTask(work, loop=self.loop, context=context)
        runner.place, runner.work, runner.line, runner.is_abandoned = None, op, None, False
        self.runners[runner] = None
        runner.add_done_callback(self._runner_ended)
        return runner

    def _runner_ended(self, runner: PlacedTask) -> None:
        """End the invocation if *runner* has raised a `BaseException` such as `KeyboardInterrupt`."""
        self.runners.pop(runner)
        error = None if runner.cancelled() else runner.exception()
        if error is not None and not isinstance(error, Exception):
            self.checkpointer.interrupt(error, unless_over=self._root)
            self.code.unwind(None)

    def _advance(self, frame: Frame, op: OperationHandle, flow: Any, answer: object) -> Effect:
        """Perform effects until one takes time; return that one."""
        while True:
            effect: Effect = flow.send(answer)
            if isinstance(effect, Transfer) and effect.reads and self._performer is None:
                answer = self.transfer(op.label, effect)
                continue
            if not isinstance(effect, Checkpoint) or self._performer is not None:
                return effect
            if effect.wait and not self.sending.defers(frame, effect):
                return effect
            self.log_failure(frame, op, effect)
            self.sending.submit(frame, effect)
            answer = None

    async def _perform(self, flow: Any, effect: Effect, task: DurableTask[Any]) -> Outcome | None:  # noqa: C901, PLR0912 - an arm for each effect
        """Perform the rest of an operation."""
        call = task.call
        if call is None:
            return None
        frame, op = call.frame, call.op
        try:
            while True:
                answer: object = None
                task.note(effect)
                match effect:
                    case Checkpoint():
                        self.log_failure(frame, op, effect)
                        await self.sending.checkpoint(frame, effect)
                    case Attempt():
                        answer = await self.bodies.attempt(frame, op, effect)
                    case Transfer():
                        answer = await self.bodies.transfer(op.label, effect)
                    case Enter():
                        answer = await self.code.enter(effect, task.path)
                    case FanOut():
                        with self.limit_failure_lines(op, effect):
                            answer = await BranchTasks(self, effect, task.path).run()
                    case Suspend(until):
                        task.is_parked = True
                        task.place.run.note_progress()
                        await self.watch.park(op, until, task)
                        task.is_parked = False
                effect = self._advance(frame, op, flow, answer)
        except StopIteration as done:
            return Returned(done.value)
        except (CheckpointingStopped, SuspendExecution):
            self.code.unwind(None)  # all tasks at once: a task group continues if only its members are cancelled
            return None
        except (BranchOrphaned, asyncio.CancelledError):
            return None  # the tasks that await it are cancelled, too
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            return Raised(error)
        finally:
            flow.close()

    def _set_outcome(self, task: DurableTask[Any], outcome: Outcome) -> None:
        task.outcome = outcome
        self.watch.ended(task)

    def _forget(self, task: DurableTask[Any]) -> None:
        if task.outcome is None:
            self.watch.open -= 1
        self._settle(task)
        task.was_ended = False
        task.place.run.calls.pop(task, None)

    def complete(self, task: DurableTask[Any]) -> None:
        """Complete *task* with its result."""
        self._settle(task)
        if task.call is not None:
            task.call.frame.end()
            if not task.was_ended:
                self.replay_progress.note_handed_over(task.call)
            if self.observers is not None:
                self.observers.check_replay_end(task.call.frame)
        if not task.hand_over():
            task.place.run.calls.pop(task, None)

    def flush(self, frame: Frame) -> None:
        """Send everything that is queued, and block until the response has arrived."""
        self.checkpointer.flush(frame)

    def run_series(self, composite: Composite[T]) -> DurableTask[T]:
        """Begin a series: the user's code and durable calls, in turn."""
        task: DurableTask[T] = self._new_task(None, composite.frame, users_line())
        self._start_runner(task, partial(self.code.perform_series, task.place.run, composite))
        return task

    # -- the invocation --------------------------------------------------------------------------------------

    def run_handler(self, handler: Composite[Any], scope: ScopeInfo) -> Ending:  # noqa: ARG002 - made for each context
        """Run the handler, then its deferred calls, until nothing is left to do in this invocation."""
        self._root = handler.frame
        loop = self.loop
        loop.attach(self.watch, self._environment)
        before = loop.get_task_factory()
        loop.set_task_factory(self.factory)  # takes DurableTask too
        is_clean = False
        try:
            ending = loop.run_until_complete(self.start(self.code.supervise(handler)))
            is_clean = not self.code.tasks
        finally:
            loop.set_task_factory(before)
            loop.detach()
            self.watch.is_over = True
            if not is_clean:
                self._discard_loop()
        if self._performer is not None:
            self._performer.handler_ended(self._root, ending)
        if isinstance(ending, BaseException):
            raise ending
        return ending  # type: ignore[no-any-return]

    def _discard_loop(self) -> None:
        """Discard the loop and the tasks that have not ended, without the warnings of asyncio and Python."""
        for task in (*self.code.tasks, *self.runners):
            silence(task)
        self._loops.discard()

    def close(self, *, wait: bool = True) -> None:
        """End the threads of bodies, then the sender; see `BlockingDriver.close`."""
        self.bodies.close(self.deadline, wait=wait)
        self.checkpointer.close(wait=wait)
