"""Runs the branches of a fan-out as tasks of the event loop, as the plan decides.

A branch that waits for the service keeps its slot and its task. Recorded branches end at once, in index order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from powertools_durable._replay.effects import Checkpoint, Effect, Enter, FanOut, Flow, Outcome, Raised, Returned
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable._runtime.task_places import PlacedTask
from powertools_durable.errors import InvalidStateError, SuspendExecution

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver

__all__ = ["BranchTasks"]


class BranchTasks:
    """One fan-out in progress."""

    def __init__(self, driver: AsyncDriver, effect: FanOut, path: tuple[Any, ...]) -> None:
        self._driver = driver
        self._effect = effect
        self._path = path  # where it stands
        self._plan = effect.plan
        self._running: dict[PlacedTask, None] = {}
        self._ended: deque[tuple[int, Outcome | BaseException]] = deque()
        self._event: asyncio.Future[None] | None = None

    async def run(self) -> Outcome:
        """Run the branches until the plan is complete, and return its result.

        Raises
        ------
        Exception
            One that no completion rule may tolerate: a fault of the service, changed code, misuse.
        """
        self._driver.sending.beside(1)
        try:
            while self._is_going_on():
                if not self._ended:
                    self._event = self._driver.loop.create_future()
                    await self._event
                self._take_ended()
            return Returned(self._effect.result())
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - raised by a completion rule, which is user code
            return Raised(error)
        finally:
            self._driver.sending.beside(-1)
            self._orphan_the_rest()

    def _is_going_on(self) -> bool:
        """Admit branches; return whether the fan-out is incomplete."""
        while (index := self._plan.admit()) is not None:
            op, flow = self._effect.branch(index)
            try:
                effect = self._until_code(op, self._driver.heard(op, flow), None)
            except _Ended as ended:
                self._plan.ended(index, ended.outcome)
                continue
            runner = self._driver.start(self._branch(index, op, effect), op)
            self._running[runner] = None
        return self._plan.reason is None

    def _take_ended(self) -> None:
        while self._ended and self._plan.reason is None:
            index, outcome = self._ended.popleft()
            if isinstance(outcome, BaseException):
                raise outcome
            self._plan.ended(index, outcome)

    async def _branch(self, index: int, op: OperationHandle, effect: tuple[Flow[Any], Enter]) -> None:
        try:
            while True:
                flow, enter = effect
                outcome = await self._driver.code.enter(enter, (*self._path, (index, 0, 0)))
                effect = self._until_code(op, flow, outcome)
        except _Ended as ended:
            self._ended.append((index, ended.outcome))
        except (asyncio.CancelledError, BranchOrphaned, CheckpointingStopped, SuspendExecution):
            return
        except Exception as error:  # noqa: BLE001 - decided where the fan-out was called
            self._ended.append((index, error))
        if self._event is not None and not self._event.done():
            self._event.set_result(None)

    def _until_code(self, op: OperationHandle, flow: Flow[Any], answer: object) -> tuple[Flow[Any], Enter]:
        """Perform the effects of a branch's own operation until its code is to run.

        A branch's own updates need no waiting: the end of the fan-out is sent after all of them and is waited for. A
        crash before that repeats the branch.
        """
        frame = self._effect.frame
        try:
            while True:
                effect: Effect = flow.send(answer)
                match effect:
                    case Checkpoint(update, closes=closes):
                        self._driver.notice(frame, op, effect)
                        self._driver.checkpointer.submit(
                            frame, update, wait=False, ahead=True, closes=closes, held=True
                        )
                        answer = None
                    case Enter():
                        return flow, effect
                    case _:
                        raise _unexpected(effect)  # noqa: TRY301 - an effect like the others
        except StopIteration as done:
            raise _Ended(Returned(done.value)) from None
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            raise _Ended(Raised(error)) from None

    def _orphan_the_rest(self) -> None:
        """Cancel the code of branches that are not needed any more; bodies that run end by themselves."""
        for runner in self._running:
            if not runner.done():
                self._driver.abandon(runner)


class _Ended(Exception):  # noqa: N818 - not an error
    """A branch's flow has ended."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _unexpected(effect: Effect) -> InvalidStateError:
    return InvalidStateError(f"a branch asked for {type(effect).__name__}")
