"""Runs an ``async def`` handler over a history and does nothing; see `performer` for what is shown of one.

Where nothing is recorded, an operation never ends, and the tasks beside it go on. When all of them wait, code that
is in a context whose end is recorded has done more than was recorded: the recorded end takes its place, the innermost
first. When there is no such context left, the replay is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from powertools_durable._protocol.operation import SubType
from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Effect,
    Ending,
    Enter,
    FanOut,
    Outcome,
    Raised,
    Returned,
    Transfer,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.driving import outcome_of
from powertools_durable._runtime.signals import UNRECOVERABLE
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing.replays.performer import BehindItsRecords, ReplayPerformer

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.durable_task import DurableTask

__all__ = ["AsyncReplayPerformer"]

Path = tuple[Any, ...]
Perform = Callable[[Any], Awaitable[Outcome | None]]


class AsyncReplayPerformer:
    """Answers from what is recorded.

    Parameters
    ----------
    answers : ReplayPerformer
        Knows the records.
    driver : AsyncDriver
        Asks for the answers.
    """

    def __init__(self, answers: ReplayPerformer, driver: AsyncDriver) -> None:
        self._answers = answers
        self._script = answers.script
        self._answers.engine.revoked = (
            False  # code that is revoked would be ended at once; nothing is sent all the same
        )
        self._driver = driver
        self._inside: list[asyncio.Future[None]] = []  # of the contexts whose end is recorded, the innermost last

    def begin(self, call: Call[Any]) -> Any:
        """Return the flow of *call*, which may ask only for what is recorded."""
        return self._answers.begin(call)

    def at_once(self, call: Call[Any]) -> Any:
        """Return what *call*, which waits for nothing, comes to; where it is not recorded, end the replay."""
        flow = self.begin(call)
        try:
            effect = next(flow)
            while self._answers.answer(effect):
                effect = next(flow)
        except StopIteration as done:
            return done.value
        self._driver.code.unwind(SuspendExecution())
        raise asyncio.CancelledError

    async def race(self, race: Perform, task: DurableTask[Any]) -> Outcome | None:
        """Perform a race if its winner is recorded."""
        if task.call is not None:
            self._script.asks(task.call.frame, task.call.op)
            if not task.call.op.is_over:
                self._script.stop(None, task.call.op.label)
                await self._park(task)
        return await race(task)

    async def perform(self, flow: Any, effect: Effect, task: DurableTask[Any]) -> Outcome | None:
        """Perform an operation as far as it is recorded."""
        if task.call is None:
            return None
        try:
            while True:
                answer = await self._answer(effect, task)
                effect = flow.send(answer)
        except StopIteration as done:
            return Returned(done.value)
        except (asyncio.CancelledError, SuspendExecution):
            return None
        except Exception as error:  # noqa: BLE001 - raised where the call is awaited
            return Raised(error)
        finally:
            flow.close()

    async def _answer(self, effect: Effect, task: DurableTask[Any]) -> Outcome | None:
        outcome: Outcome | None = None
        match effect:
            case Checkpoint():
                if self._answers.answer(effect):
                    return None
            case Attempt(number=number):
                label = task.get_name() if task.call is None else task.call.op.label
                self._script.stop(None, f"attempt {number} of {label}")
            case Transfer():
                return outcome_of(effect)
            case Enter():
                outcome = await self.enter(effect, task.path)
            case FanOut():
                outcome = await self.fan_out(effect, task.path)
            case _:
                pass  # it waits for the service
        if outcome is None:
            await self._park(task)
        return outcome

    async def _park(self, task: DurableTask[Any]) -> None:
        """Never return."""
        task.is_parked = True
        task.place.run.note_progress()
        if task.call is not None:
            await self._driver.watch.park(task.call.op, None)

    def is_stuck(self) -> bool:
        """End the innermost context whose end is recorded; return False if there is none."""
        while self._inside:
            inside = self._inside.pop()
            if not inside.done():
                inside.set_result(None)
                return True
        return False

    def handler_ended(self, frame: Frame, ending: Ending | BaseException) -> None:
        """Note what became of the handler."""
        if isinstance(ending, Exception):
            self._script.ends(frame)
            self._script.outcome = Raised(ending)
        elif isinstance(ending, Returned | Raised):
            self._script.ends(frame)
            self._script.outcome = ending

    # -- contexts --------------------------------------------------------------------------------------------

    async def enter(self, effect: Enter, path: Path) -> Outcome | None:
        """Run the code of a context; None if it would do something that is not recorded."""
        identifier = effect.frame.context_id or ""
        self._script.entered.add(identifier)
        record = self._script.found.operations.get(identifier)
        if record is not None and record.sub_type == SubType.COMPENSATION:
            self._script.stop(None, f"the compensation of {record.name or record.id[:8]!r}")
            return None
        outcome = await self._as_recorded(identifier, effect, path)
        if outcome is None:
            return Raised(BehindItsRecords())
        if isinstance(outcome, Returned):
            self._script.rebuilds(identifier, outcome.value)
        return outcome

    async def _as_recorded(self, identifier: str, effect: Enter, path: Path) -> Outcome | None:
        """Run the code to its end; None if its end is recorded, and it comes to something that is not."""
        outcome: Outcome
        code = self._driver.start(self._driver.code.enter(effect, path))
        try:
            if not await self._ends(identifier, code):
                return None
            outcome = code.result()
        except UNRECOVERABLE:
            self._script.ends(effect.frame)
            raise
        finally:
            self._driver.abandon(code)
        self._script.ends(effect.frame)
        if isinstance(outcome, Raised):
            self._answers.must_have_failed(effect.frame, outcome.error)
        return outcome

    async def _ends(self, identifier: str, code: asyncio.Task[Any]) -> bool:
        """Wait for *code*; return False when everything waits for what is not recorded before it has ended."""
        stuck = self._driver.loop.create_future()
        if identifier in self._script.held:
            self._inside.append(stuck)
        await asyncio.wait([code, stuck], return_when=asyncio.FIRST_COMPLETED)
        stuck.cancel()
        return code.done()

    # -- fan-outs --------------------------------------------------------------------------------------------

    async def fan_out(self, effect: FanOut, path: Path) -> Outcome | None:
        """Run the branches that left something behind; None if one would do something that is not recorded."""
        identifier = effect.frame.context_id or ""
        self._script.entered.add(identifier)
        record = self._driver.engine.get(identifier)
        if record is not None and record.status.is_terminal:
            return await self._rebuild(effect, path)
        branches = [self._driver.start(self._branch(effect, n, path)) for n in self._answers.begun(effect)]
        every = self._driver.start(_all(branches))
        try:
            ended = await self._ends(identifier, every)
        finally:
            for branch in (every, *branches):
                self._driver.abandon(branch)
        if ended:
            self._script.returned.add(identifier)
            every.result()
        return Raised(BehindItsRecords()) if identifier in self._script.held else None

    async def _rebuild(self, effect: FanOut, path: Path) -> Outcome:
        """Make a result that was too large for its record anew, as a real replay does."""
        plan = effect.plan
        self._script.cut_off |= self._answers.cut_off(effect)
        while (index := plan.admit()) is not None:
            plan.ended(index, await self._branch(effect, index, path))
        identifier, result = effect.frame.context_id or "", effect.result()
        self._script.returned.add(identifier)
        self._script.rebuilds(identifier, [item.result for item in result.succeeded])
        return Returned(result)

    async def _branch(self, effect: FanOut, index: int, path: Path) -> Outcome:
        """Run a branch as far as it is recorded."""
        op, flow = self._answers.branch(effect, index)
        answer: object = None
        try:
            while True:
                match flow.send(answer):
                    case Checkpoint() as checkpoint:
                        if not self._answers.answer(checkpoint):
                            await self._driver.watch.park(op, None)
                        answer = None
                    case Enter() as enter:
                        answer = await self.enter(enter, (*path, (index, 0, 0)))
                        if answer is None:
                            await self._driver.watch.park(op, None)
                    case _:  # no flow of a branch asks for anything else
                        await self._driver.watch.park(op, None)
        except StopIteration as done:
            return Returned(done.value)
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            return Raised(error)


async def _all(tasks: Any) -> None:
    for task in tasks:
        await task
