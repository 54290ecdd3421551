"""Performs effects without blocking: the driver of ``async def`` handlers.

The code of the handler, of child contexts and of branches runs on the event loop of the thread that Lambda called. A
durable call begins its operation at once and returns a `DurableTask`. What takes time is done by a task of its own, one
for each operation that is not recorded yet, and its result is handed over by `IdleWatch`.

A suspension is not raised in the code: it cancels the tasks. ``finally`` blocks run, and what the code returns then is
dropped.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from powertools_durable._functions import innermost
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Composite,
    Effect,
    Ending,
    Enter,
    FanOut,
    Flush,
    Outcome,
    Perform,
    Raised,
    Returned,
    Run,
    Series,
    Suspend,
    Suspended,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.async_branches import BranchTasks
from powertools_durable._runtime.async_placement import AsyncPlacement
from powertools_durable._runtime.body_threads import BodyThreads
from powertools_durable._runtime.durable_task import DurableTask
from powertools_durable._runtime.idle import IdleWatch
from powertools_durable._runtime.loop import Loops
from powertools_durable._runtime.reports import tell_dropped, tell_swallowed
from powertools_durable._runtime.signals import NO_END, UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.task_places import (
    ContextRun,
    PlacedTask,
    TaskFactory,
    TaskPlace,
    current_place,
    current_task,
)
from powertools_durable._runtime.unconsumed import look_in_context
from powertools_durable._runtime.wakeups import line_of
from powertools_durable._runtime.whereabouts import Whereabouts
from powertools_durable.errors import StepTimeoutError, SuspendExecution
from powertools_durable.errors.places import without_folders
from powertools_durable.scope import SCOPE, ScopeInfo

if TYPE_CHECKING:
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._runtime.checkpointer import Checkpointer
    from powertools_durable._runtime.deadline import Deadline
    from powertools_durable._runtime.environment import Environment
    from powertools_durable._runtime.failures import Failures
    from powertools_durable._runtime.observers import Observers
    from powertools_durable._runtime.scopes import Scopes

__all__ = ["LOOPS", "AsyncDriver"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOPS = Loops()


class AsyncDriver:
    """Runs flows on an event loop."""

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
        self.engine = engine
        self.observers = observers
        self.failures: Failures | None = None  # logs failures; None in a context without an invocation
        self.checkpointer = checkpointer
        self.deadline = deadline
        self.scopes = scopes
        self.is_unwinding = False
        self._environment = environment
        self._loops = environment.loops or LOOPS
        self.loop = self._loops.take()
        self.bodies = BodyThreads(self.loop, max_threads, environment.threads)
        self.tasks: dict[PlacedTask, None] = {}  # those that run the user's code, but for bodies
        self._runners: dict[PlacedTask, None] = {}  # those that perform operations
        self._runs: dict[ContextRun, None] = {}
        self.factory = TaskFactory(self)
        self.placement = AsyncPlacement(self, environment.probe)
        self._probe = environment.probe
        self._arrived: deque[asyncio.Future[None]] = deque()
        self._is_releasing = False
        self._ask = engine.ask
        self._recorded = dict(engine.operations) if engine.is_replaying else {}
        self._unasked: defaultdict[str | None, set[str]] = defaultdict(set)
        if self._recorded:  # asked for by telemetry
            for record in self._recorded.values():
                if record.type is not OperationType.EXECUTION:
                    self._unasked[record.parent_id or None].add(record.id)
            engine.ask = self._asks
        self.watch = IdleWatch(
            self.loop,
            engine,
            checkpointer,
            deadline,
            environment.clock,
            grace=grace,
            unwind=self.unwind,
            poll=self._poll,
            tasks=lambda: self.tasks,
        )

    # -- may this call be made here and now? -----------------------------------------------------------------

    def guard(self, frame: Frame, call: str) -> None:
        """Refuse a durable call that would be recorded at the wrong place, before it takes an id.

        Raises
        ------
        CancelledError
            The execution is being suspended, or the invocation has failed.
        ValidationError
            Inside a step, in another task, on another thread or loop, or after the context's end.
        """
        place = current_place()
        if (
            place is None
            or place is not frame.owner
            or place.step is not None
            or frame.busy_with is not None
            or frame.closed
            or self.has_foreign_factory
        ):
            self.placement.judge(frame, call, place)
        if self.is_unwinding or self.engine.interruption is not None or frame.is_orphaned:
            self.placement.require_open(frame, call)

    @property
    def has_foreign_factory(self) -> bool:
        """True if the user's code has set a task factory over ours."""
        factory: object = self.loop.get_task_factory()
        return factory is not self.factory

    # -- performing ------------------------------------------------------------------------------------------

    def drive(self, call: Call[T]) -> DurableTask[T]:
        """Begin the operation of *call*.

        Raises
        ------
        ValidationError, NonDeterminismError
            The call is a mistake; nothing was recorded.
        """
        task: DurableTask[T] = DurableTask(self, call, self.place_of(call.frame), _users_line())
        op = call.op
        flow = call.flow
        if self.observers is not None or self._probe is not None:
            flow = self._followed(call.frame, op, flow)
        task.was_ended = op.is_over and op.id not in self.engine.updated
        self._note(task)
        try:
            effect = self._until_it_takes_time(call.frame, op, flow, None)
        except StopIteration as done:
            self._ended(task, Returned(done.value))
        except UNRECOVERABLE:
            self._forget(task)
            raise
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            self._ended(task, Raised(error))
        else:
            task.runner = self.start(self._until_ended(task, partial(self._perform, flow, effect)), op)
        return task

    def at_once(self, call: Call[T]) -> T:
        """Perform *call* without waiting for the service."""
        try:
            while True:
                raise AssertionError(self._until_it_takes_time(call.frame, call.op, call.flow, None))
        except StopIteration as done:
            value: T = done.value
        return value

    def begin(
        self, call: Call[Any], perform: Callable[[DurableTask[Any]], Coroutine[Any, Any, Outcome | None]]
    ) -> DurableTask[Any]:
        """Begin an operation that *perform* performs; its outcome is None if nobody waits for it any more."""
        task: DurableTask[Any] = DurableTask(self, call, self.place_of(call.frame), _users_line())
        task.was_ended = call.op.is_over and call.op.id not in self.engine.updated
        self._note(task)
        task.runner = self.start(self._until_ended(task, perform), call.op)
        return task

    async def _until_ended(
        self, task: DurableTask[Any], perform: Callable[[DurableTask[Any]], Coroutine[Any, Any, Outcome | None]]
    ) -> None:
        outcome = await perform(task)
        task.runner = None
        task.place.run.note_progress()
        if outcome is None:
            self._forget(task)
            task.cancel()
        else:
            self._ended(task, outcome)

    def _note(self, task: DurableTask[Any]) -> None:
        task.place.replayed += task.was_ended
        task.place.run.calls[task] = None
        self.watch.open += 1

    def place_of(self, frame: Frame) -> TaskPlace:
        """Return the place whose calls *frame* numbers."""
        owner = frame.owner
        if not isinstance(owner, TaskPlace):
            raise AssertionError  # noqa: TRY004 - each frame of this driver has a place
        return owner

    def abandon(self, runner: PlacedTask) -> None:
        """Cancel an operation: what its code would still do is of no use."""
        runner.is_abandoned = True
        runner.cancel()

    def start(self, work: Coroutine[Any, Any, Any], op: OperationHandle | None = None) -> PlacedTask:
        """Run *work* for the operation *op* as a task without a place."""
        runner = PlacedTask(work, loop=self.loop)
        runner.place, runner.work, runner.is_abandoned = None, op, False
        self._runners[runner] = None
        runner.add_done_callback(self._runners.pop)
        return runner

    def _until_it_takes_time(self, frame: Frame, op: OperationHandle, flow: Any, answer: object) -> Effect:
        """Perform effects that are done at once; return the first one that is not."""
        while True:
            effect: Effect = flow.send(answer)
            if not isinstance(effect, Checkpoint) or (effect.wait and not (effect.deferrable and frame.batch_mode)):
                return effect
            self.notice(frame, op, effect)
            self._submit(frame, effect)
            answer = None

    async def _perform(self, flow: Any, effect: Effect, task: DurableTask[Any]) -> Outcome | None:  # noqa: C901
        """Perform the rest of an operation."""
        call = task.call
        if call is None:
            return None
        frame, op = call.frame, call.op
        try:
            while True:
                answer: object = None
                match effect:
                    case Checkpoint():
                        self.notice(frame, op, effect)
                        await self._checkpoint(frame, effect)
                    case Attempt():
                        answer = await self._attempt(frame, op, effect)
                    case Enter():
                        answer = await self.enter(effect)
                    case FanOut():
                        with self._counting(op, effect):
                            answer = await BranchTasks(self, effect).run()
                    case Suspend(until):
                        task.is_parked = True
                        task.place.run.note_progress()
                        await self.watch.park(op, until)
                        task.is_parked = False
                effect = self._until_it_takes_time(frame, op, flow, answer)
        except StopIteration as done:
            return Returned(done.value)
        except (BranchOrphaned, CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
            return None  # the tasks that waited for it are cancelled, too
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            return Raised(error)
        finally:
            flow.close()

    def _ended(self, task: DurableTask[Any], outcome: Outcome) -> None:
        task.outcome = outcome
        self.watch.ended(task, _moment_of(task))

    def _forget(self, task: DurableTask[Any]) -> None:
        if task.outcome is None:
            self.watch.open -= 1
        task.place.replayed -= task.was_ended
        task.was_ended = False
        task.place.run.calls.pop(task, None)

    def handed_over(self, task: DurableTask[Any]) -> None:
        """Complete *task*: its result is the next one."""
        if task.call is not None:
            frame = task.call.frame
            frame.end()
            if self.observers is not None:
                self.observers.passed(frame)
        task.place.replayed -= task.was_ended
        if not isinstance(task.outcome, Raised):
            task.place.run.calls.pop(task, None)
        task.hand_over()

    def has_unasked(self, parent_id: str | None) -> bool:
        """Return whether something directly below a recorded context is recorded that was not asked for yet."""
        return bool(self._unasked.get(parent_id))

    def _asks(self, operation_id: str) -> None:
        self._ask(operation_id)
        record = self._recorded.get(operation_id)
        if record is not None:
            self._unasked[record.parent_id or None].discard(operation_id)

    def hand_over_alone(self, task: DurableTask[Any]) -> bool:
        """Hand over *task* without a turn of the loop, if nothing could come before it."""
        return self.watch.hand_over_alone(task)

    def notice(self, frame: Frame, op: OperationHandle, effect: Checkpoint) -> None:
        """Log a failure that is about to be recorded."""
        if effect.failure is not None and self.failures is not None:
            self.failures.recorded(frame, effect, op.losses)

    def _counting(self, op: OperationHandle, effect: FanOut) -> AbstractContextManager[None]:
        """Count the failures of a fan-out during the block."""
        if self.failures is None:
            return nullcontext()
        return self.failures.of_fan_out(effect.frame, op.name or op.id[:8])

    def _followed(self, frame: Frame, op: OperationHandle, flow: Any) -> Any:
        if self.observers is not None:
            self.observers.passed(frame)
        return self.heard(op, flow)

    def heard(self, op: OperationHandle, flow: Any) -> Any:
        """Return *flow*, wrapped for plugins if there are any."""
        if self._probe is not None:
            self._probe.asked(op)
        return flow if self.observers is None else self.observers.heard(op, flow)

    def trace_header(self, op: OperationHandle, function_name: str) -> str | None:
        """Return the trace header for a function that *op* is about to invoke, if a plugin has one."""
        return None if self.observers is None else self.observers.trace_header(op, function_name)

    # -- checkpoints -----------------------------------------------------------------------------------------

    def _submit(self, frame: Frame, effect: Checkpoint) -> None:
        deferred = effect.deferrable and frame.batch_mode
        try:
            self.checkpointer.submit(
                frame, effect.update, wait=False, deferred=deferred, closes=effect.closes, held=True
            )
        except (CheckpointingStopped, SuspendExecution, BranchOrphaned):
            self._stop_here()

    async def _checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        await self.send(frame, effect.update, closes=effect.closes)
        if frame.is_orphaned:  # the end of an enclosing fan-out was in the same request
            raise BranchOrphaned

    async def send(self, frame: Frame, update: Any, *, closes: Frame | None = None) -> None:
        """Queue an update, None to ask what has changed, and wait until the service has it."""
        future: asyncio.Future[None] = self.loop.create_future()
        waiter = self.checkpointer.submit(
            frame, update, wait=True, closes=closes, held=True, signal=_Arrival(self, future)
        )
        self.watch.working += 1
        try:
            await future
        finally:
            self.watch.working -= 1
        if waiter is not None and waiter.error is not None:
            raise waiter.error

    def arrived(self, future: asyncio.Future[None]) -> None:
        """Note that a request was answered; called on the sender's thread."""
        self._arrived.append(future)
        if not self._is_releasing and not self.loop.is_closed():  # one wake-up for all that one response answers
            self._is_releasing = True
            self.loop.call_soon_threadsafe(self._release_arrived)

    def _release_arrived(self) -> None:
        self._is_releasing = False
        while self._arrived:
            future = self._arrived.popleft()
            if not future.done():
                future.set_result(None)

    def _poll(self) -> None:
        self._polling = self.start(self._ask_what_changed())

    async def _ask_what_changed(self) -> None:
        # The engine keeps the reason, and the watch looks at it.
        with suppress(CheckpointingStopped, SuspendExecution, asyncio.CancelledError):
            await self.send(self._root, None)

    def flush(self, frame: Frame) -> None:
        """Send everything that is queued, and wait for the response: on the thread of the loop, when it has ended."""
        self.checkpointer.flush(frame)

    async def flush_now(self, frame: Frame) -> None:
        """Do so while the loop runs."""
        if self.engine.pending:
            await self.send(frame, None)

    def _stop_here(self) -> NoReturn:
        """Stop code that can record nothing more: the invocation is about to end, or its branch is an orphan."""
        raise asyncio.CancelledError

    # -- bodies ----------------------------------------------------------------------------------------------

    async def _attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:  # noqa: C901
        ends = self.deadline.moment
        if effect.timeout is not None:
            ends = min(ends, ends + timedelta(seconds=effect.timeout - self.deadline.left))
        runner = current_task()
        token = SCOPE.set(self.scopes.of_step(frame, op, effect.number, ends))
        body = effect.body
        if self._probe is not None:
            await self.flush_now(frame)
            body = partial(self._probe.attempt, body, _nothing)
        if runner is not None and isinstance(frame.owner, TaskPlace):
            runner.place = TaskPlace(frame.owner.run, step=op)
        self.watch.working += 1
        try:
            async with asyncio.timeout(effect.timeout) as limit:
                return Returned(await self._result_of(effect.body, body))
        except TimeoutError as error:
            if not limit.expired():
                return Raised(error)
            message = f"{op.label} did not finish within its timeout of {effect.timeout:g} s"
            return Raised(StepTimeoutError(message))
        except UNRECOVERABLE:
            raise
        except asyncio.CancelledError as error:
            if self.is_unwinding or self.watch.is_over or (runner is not None and runner.is_abandoned):
                raise
            return Raised(error)  # type: ignore[arg-type]  # the body's own: a failure that no policy retries
        except Exception as error:  # noqa: BLE001 - the step's policy decides about it
            return Raised(error)
        finally:
            self.watch.working -= 1
            SCOPE.reset(token)
            if runner is not None:
                runner.place = None

    async def _result_of(self, written: Callable[[], Any], body: Callable[[], Any]) -> Any:
        """Call *body*: on the loop if it was *written* as a coroutine function, else on a thread."""
        value = body() if runs_on_the_loop(written) else await self.bodies.run(body)
        return await value if inspect.isawaitable(value) else value

    # -- contexts --------------------------------------------------------------------------------------------

    async def enter(self, effect: Enter) -> Outcome:
        """Run the code of a context on the present task."""
        run = ContextRun(self, effect.frame)
        outcome = await self._context(run, partial(self._inside, run, effect))
        if isinstance(outcome, Returned):
            look_in_context(effect.frame)
        elif self.failures is not None:
            self.failures.of_virtual(effect.frame, outcome.error)
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
            self.tasks.pop(runner, None)
            self._runs.pop(run, None)
            SCOPE.reset(token)
            runner.place = before

    def _scope_of(self, run: ContextRun) -> ScopeInfo:
        return replace(self.scopes.of_context(run.frame), where=Whereabouts(run))

    async def _code(
        self, run: ContextRun, body: Callable[[], Any], passes: tuple[type[BaseException], ...] = UNRECOVERABLE
    ) -> Outcome:
        """Run the user's function once, and end what it leaves running."""
        outcome: Outcome
        try:
            value = body()
            outcome = Returned(await value if inspect.isawaitable(value) else value)
        except Exception as error:
            if self.is_unwinding:
                tell_dropped(error)
                raise asyncio.CancelledError from None
            if isinstance(error, passes):
                raise
            outcome = Raised(_recorded_form(error))
        if self.is_unwinding:
            tell_swallowed(run.frame)
            if self._probe is not None:
                self._probe.swallowed(run.frame)
            raise asyncio.CancelledError
        return await self._left_running(run, outcome)

    def orphan(self, runner: PlacedTask) -> None:
        """Cancel the code that a branch runs, because its fan-out is complete; a body that runs ends by itself."""
        self.abandon(runner)

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
            run.progress = self.loop.create_future()
            await run.progress
        for task in [task for task in run.calls if task.runner is not None]:
            if not (task.is_awaited or task.is_contestant or task.done()):
                logger.warning("%s was not awaited; its context ends without it%s", _label(task), _at(task))
            self._leave(task)
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
            self.abandon(task.runner)
        task.cancel()

    def user_task_made(self, task: PlacedTask, place: TaskPlace) -> None:
        """Note a task that runs the user's code."""
        self.tasks[task] = None
        place.run.tasks[task] = None
        task.add_done_callback(self._user_task_ended)
        if self.is_unwinding:
            task.cancel()

    def _user_task_ended(self, task: asyncio.Task[Any]) -> None:
        if isinstance(task, PlacedTask) and task.place is not None:
            self.tasks.pop(task, None)
            task.place.run.tasks.pop(task, None)

    # -- series ----------------------------------------------------------------------------------------------

    def follow(self, composite: Composite[T]) -> DurableTask[T]:
        """Begin what several calls in turn ask for."""
        owner = self.place_of(composite.frame)
        task: DurableTask[T] = DurableTask(self, None, owner, _users_line())
        self._note(task)
        task.runner = self.start(self._until_ended(task, partial(self._perform_series, owner.run, composite)))
        return task

    async def _perform_series(self, run: ContextRun, composite: Composite[Any], _: DurableTask[Any]) -> Outcome | None:
        with composite.frame.busy("another call of this task that has not ended: await it first"):
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
                        await self.flush_now(frame)
                        answer = None
        except StopIteration as done:
            value: T = done.value
        finally:
            flow.close()
        return value

    async def _performed(self, frame: Frame, effect: Perform) -> Outcome:
        if self.is_unwinding or self.engine.interruption is not None or frame.is_orphaned:
            self._stop_here()
        if effect.after is not None and self.failures is not None:
            self.failures.of_retried_calls(frame, effect.after)
        try:
            return Returned(await self.drive(effect.begin()))
        except NO_END:
            raise
        except Exception as error:  # noqa: BLE001 - the flow decides about it
            return Raised(error)

    # -- the invocation --------------------------------------------------------------------------------------

    def run_handler(self, handler: Composite[Any], scope: ScopeInfo) -> Ending:  # noqa: ARG002 - made for each context
        """Run the handler, and what follows its end, until nothing is left to do in this invocation."""
        self._root = handler.frame
        loop = self.loop
        loop.attach(self.watch, self._environment)
        before = loop.get_task_factory()
        loop.set_task_factory(self.factory)  # type: ignore[arg-type]  # takes DurableTask too
        is_clean = False
        try:
            ending = loop.run_until_complete(self.start(self._supervise(handler)))
            is_clean = not self.tasks
        finally:
            loop.set_task_factory(before)
            loop.detach()
            self.watch.is_over = True
            if not is_clean:
                self._loops.discard()
        if isinstance(ending, BaseException):
            raise ending
        return ending  # type: ignore[no-any-return]

    async def _supervise(self, composite: Composite[Any]) -> Ending | BaseException:
        frame = composite.frame
        run = ContextRun(self, frame)
        handler = self.start(self._context(run, partial(self._root_code, run, composite)))
        await asyncio.wait([handler])
        self.watch.is_over = True
        await self._end_tasks()
        if self.is_unwinding or handler.cancelled():
            if frame.suspension is None:
                return CheckpointingStopped(self.engine.interruption or asyncio.CancelledError())
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
        tasks = [
            task for task in (*self.tasks, *self._runners) if not task.done() and task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.watch.longest)
        for task in tasks:
            if not task.done():
                logger.warning("a task did not end when it was cancelled, at %s; it is left behind", line_of(task))
                self.tasks[task] = None

    def unwind(self, signal: SuspendExecution | None) -> None:
        """Cancel the code: the execution is suspended with *signal*, or the engine says why it ends."""
        if self.is_unwinding:
            return
        self.is_unwinding = True
        if signal is None and self.engine.interruption is None:
            signal = SuspendExecution()  # the service has withdrawn the token
        if signal is not None:
            for run in self._runs:
                run.frame.suspend(signal)
        for task in list(self.tasks):
            task.cancel()

    def close(self, *, wait: bool = True) -> None:
        """End the threads of bodies, then the sender."""
        self.bodies.close(self.deadline, wait=wait)
        self.checkpointer.close(wait=wait)


class _Arrival:
    """What the sender sets when a request was answered; see `Signal`."""

    __slots__ = ("_driver", "_future")

    def __init__(self, driver: AsyncDriver, future: asyncio.Future[None]) -> None:
        self._driver = driver
        self._future = future

    def set(self) -> None:
        self._driver.arrived(self._future)

    def wait(self, timeout: float) -> bool:
        raise NotImplementedError


def runs_on_the_loop(function: Any) -> bool:
    """Return whether calling *function* gives a coroutine."""
    return inspect.iscoroutinefunction(innermost(function))


def _users_line() -> tuple[Any, int] | None:
    """Return code and line of the caller of a context's method, for messages; reading them costs little."""
    frame = sys._getframe(3)  # noqa: SLF001 - the documented way to look at the stack
    return frame.f_code, frame.f_lineno


def _label(task: DurableTask[Any]) -> str:
    return "a durable call" if task.call is None else task.call.op.label


def _at(task: DurableTask[Any]) -> str:
    if task.line is None:
        return ""
    code, line = task.line
    return f", at {without_folders(code.co_filename)}:{line} in {code.co_name}"


def _moment_of(task: DurableTask[Any]) -> datetime | None:
    """Return when the operation ended: the result of `create_callback` is there as soon as it has begun."""
    record = None if task.call is None else task.call.op.record
    if task.call is None or record is None:
        return None
    return record.start_timestamp if task.call.at_start else record.end_timestamp


def _nothing() -> None:
    """Send nothing: it was sent before."""


def _recorded_form(error: Exception) -> Exception:
    """Return *error*; of a group that holds a mistake in the code, or changed code, that."""
    if isinstance(error, BaseExceptionGroup):
        found: BaseException | None = error.subgroup(UNRECOVERABLE)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if found is not None:
            raise found
    return error
