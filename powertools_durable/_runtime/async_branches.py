"""Runs the branches of a fan-out as tasks of the event loop, as the plan decides.

A branch that waits for the service keeps its slot and its task. Branches that are recorded as ended end at once, in
index order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from powertools_durable._replay.effects import (
    Checkpoint,
    Effect,
    Enter,
    FanOut,
    Flow,
    Outcome,
    Raised,
    Returned,
    Transfer,
)
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
        self._path = path  # the place of the fan-out; see `task_places`
        self._plan = effect.plan
        self._running: dict[PlacedTask, None] = {}
        self._ended: deque[tuple[int, Outcome | BaseException]] = deque()
        self._event: asyncio.Future[None] | None = None

    async def run(self) -> Outcome:
        """Run the branches until the plan is complete, and return its result.

        Raises
        ------
        Exception
            An error that no completion rule may tolerate: a fault of the service, changed code, misuse.
        """
        self._driver.sending.count_concurrent(1)
        try:
            while self._admit_branches():
                if not self._ended:
                    self._event = self._driver.loop.create_future()
                    await self._event
                self._report_ended()
            return Returned(self._effect.result())
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - raised by a completion rule, which is user code
            return Raised(error)
        finally:
            self._driver.sending.count_concurrent(-1)
            self._cancel_running()

    def _admit_branches(self) -> bool:
        """Start the branches that the plan admits; return whether the fan-out is still incomplete."""
        while (index := self._plan.admit()) is not None:
            op, flow = self._effect.branch(index)
            try:
                effect = self._advance(op, self._driver.observe(op, flow), None)
            except _Ended as ended:
                self._plan.ended(index, ended.outcome)
                continue
            runner = self._driver.start(self._run_branch(index, op, effect), op)
            self._running[runner] = None
        return self._plan.reason is None

    def _report_ended(self) -> None:
        while self._ended and self._plan.reason is None:
            index, outcome = self._ended.popleft()
            if isinstance(outcome, BaseException):
                raise outcome
            self._plan.ended(index, outcome)

    async def _run_branch(self, index: int, op: OperationHandle, effect: tuple[Flow[Any], Enter | Transfer]) -> None:
        try:
            while True:
                match effect:
                    case flow, Enter() as enter:
                        outcome = await self._driver.code.enter(enter, (*self._path, (index, 0, 0)))
                    case flow, Transfer() as transfer:
                        outcome = await self._driver.bodies.transfer(op.label, transfer)
                effect = self._advance(op, flow, outcome)
        except _Ended as ended:
            self._ended.append((index, ended.outcome))
        except (asyncio.CancelledError, BranchOrphaned, CheckpointingStopped, SuspendExecution):
            return
        except Exception as error:  # noqa: BLE001 - decided where the fan-out was called
            self._ended.append((index, error))
        if self._event is not None and not self._event.done():
            self._event.set_result(None)

    def _advance(self, op: OperationHandle, flow: Flow[Any], answer: object) -> tuple[Flow[Any], Enter | Transfer]:
        """Perform the effects of a branch's own operation until the next one takes time.

        The branch's own updates are not awaited: the end of the fan-out is sent after all of them, and it is awaited. A
        crash before that repeats the branch.
        """
        frame = self._effect.frame
        try:
            while True:
                effect: Effect = flow.send(answer)
                match effect:
                    case Checkpoint(update, closes=closes):
                        self._driver.log_failure(frame, op, effect)
                        self._driver.checkpointer.submit(
                            frame, update, wait=False, ahead=True, closes=closes, held=True
                        )
                        answer = None
                    case Transfer(reads=True):
                        answer = self._driver.transfer(op.label, effect)
                    case Enter() | Transfer():
                        return flow, effect
                    case _:
                        raise _unexpected(effect)  # noqa: TRY301 - an effect like the others
        except StopIteration as done:
            raise _Ended(Returned(done.value)) from None
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            raise _Ended(Raised(error)) from None

    def _cancel_running(self) -> None:
        """Cancel the code of branches whose results are no longer needed; running bodies end by themselves."""
        if self._driver.is_unwinding:  # that has cancelled them, once
            return
        for runner in self._running:
            if not runner.done():
                self._driver.abandon(runner)


class _Ended(Exception):  # noqa: N818 - not an error
    """A branch's flow has ended."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _unexpected(effect: Effect) -> InvalidStateError:
    return InvalidStateError(f"the flow of a branch yielded {type(effect).__name__}")
