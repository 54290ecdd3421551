"""Performs a race: the first of several tasks to end wins, and the winner is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import Call, Flow, Suspend
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._replay.outcome import Outcome, Raised, Returned
from powertools_durable._runtime.durable_task import DurableTask
from powertools_durable._runtime.signals import BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import OperationCancelledError, SuspendExecution

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver

__all__ = ["Race"]

_CANCELLABLE = (OperationType.STEP, OperationType.CONTEXT)  # operations whose end the client decides


class Race:
    """One race. See docs/contributing/protocol.md#race.

    Parameters
    ----------
    driver : AsyncDriver
        The driver of the invocation.
    call : Call
        The operation that records the winner.
    contestants : Mapping
        The tasks, by key.
    cancel : bool
        Cancel the losers.
    """

    def __init__(
        self,
        driver: AsyncDriver,
        call: Call[Any],
        contestants: Mapping[str | int, asyncio.Future[Any]],
        *,
        cancel: bool,
    ) -> None:
        self._driver = driver
        self._call = call
        self._contestants = contestants
        self._cancel = cancel
        self._won: asyncio.Future[str | int] = driver.loop.create_future()
        self._until_recorded: Flow[None]
        self._turn: asyncio.Future[None] | None = None  # of a race that was recorded earlier

    def begin(self) -> DurableTask[tuple[Any, Any]]:
        """Begin the race and return its task.

        Raises
        ------
        NonDeterminismError
            The recorded winner is not among the contestants.
        """
        op = self._call.op
        for contestant in self._contestants.values():
            if isinstance(contestant, DurableTask):
                contestant.is_contestant = True
        if op.is_over:
            record = op.record
            winner: Any = json.loads(record.result or "{}").get("won") if record is not None else None
            if winner not in self._contestants:
                keys = ", ".join(map(repr, self._contestants))
                raise self._call.frame.mismatch(op, {"winner": repr(winner)}, {"winner": f"one of {keys}"})
            self._won.set_result(winner)
            if self._cancel:
                # Now, so that the losers get no results that were recorded later, while the winner's code still runs.
                self._turn = self._turn_of(self._losers(winner), self._contestants[winner])
        else:
            done = [key for key, contestant in self._contestants.items() if contestant.done()]
            for key in sorted(done, key=lambda key: getattr(self._contestants[key], "turn", 0)):
                self._set_winner(key)
                break
            for contestant in self._contestants.values():
                contestant.add_done_callback(self._contestant_done)
        self._until_recorded = self._driver.observe_call(self._call.frame, op, _until_recorded())
        next(self._until_recorded)
        return self._driver.begin(self._call, self._run)

    def _contestant_done(self, contestant: asyncio.Future[Any]) -> None:
        self._set_winner(next(key for key, each in self._contestants.items() if each is contestant))

    def _set_winner(self, key: str | int) -> None:
        if not self._won.done() and not self._driver.code.is_unwinding:  # a task cancelled by a suspension has not won
            self._won.set_result(key)
            for contestant in self._contestants.values():
                contestant.remove_done_callback(self._contestant_done)  # so that losers count as not awaited

    async def _run(self, task: DurableTask[Any]) -> Outcome | None:
        try:
            task.is_parked = True
            key = await self._won
            task.is_parked = False
            is_replayed = self._call.op.is_over
            if not is_replayed:
                await self._record(key)
            next(self._until_recorded, None)
            if self._cancel:
                await self._cancel_losers(key, is_replayed=is_replayed)
            winner = self._contestants[key]
            try:
                return Returned((key, await winner))
            except asyncio.CancelledError:
                if not winner.cancelled():
                    raise
                return Raised(OperationCancelledError("the contestant was cancelled"))
            except Exception as error:  # noqa: BLE001 - a failure wins too
                with suppress(AttributeError):
                    error.contestant = key  # type: ignore[attr-defined]
                return Raised(error)
        except (asyncio.CancelledError, BranchOrphaned, CheckpointingStopped, SuspendExecution):
            return None
        finally:
            self._until_recorded.close()

    def _losers(self, winner: str | int) -> list[asyncio.Future[Any]]:
        return [contestant for key, contestant in self._contestants.items() if key != winner and not contestant.done()]

    async def _cancel_losers(self, winner: str | int, *, is_replayed: bool) -> None:
        """Cancel the losers, live and replayed at the same point: with the results that were recorded before, no more.

        Operations that ran were ended before the race was recorded (`_record`). Of those, a virtual context has no
        record that says so.
        """
        if is_replayed:
            await asyncio.wait([self._contestants[winner]])
        losers = [loser for loser in self._losers(winner) if isinstance(loser, DurableTask) and loser.call is not None]
        for loser in losers:
            self._stop(loser)
        await (self._turn_of(losers) if self._turn is None else self._turn)
        for each in self._losers(winner):
            each.cancel()

    def _turn_of(
        self, losers: Iterable[asyncio.Future[Any]], winner: asyncio.Future[Any] | None = None
    ) -> asyncio.Future[None]:
        """Return what is completed when the losers are to be cancelled, after *winner* has ended."""
        calls = [loser.call for loser in losers if isinstance(loser, DurableTask) and loser.call is not None]
        return self._driver.watch.turn_after([self._call, *(c for c in calls if _was_cancelled(c.op))], winner)

    async def _record(self, winner: str | int) -> None:
        """Record the winner and, if losers are cancelled, their end in one request."""
        frame, op = self._call.frame, self._call.op
        sender = self._driver.checkpointer
        for loser in self._losers(winner) if self._cancel else ():
            if isinstance(loser, DurableTask):
                self._cancel_loser(loser)
        sender.submit(frame, op.start(), wait=False, held=True)
        await self._driver.sending.send(frame, op.succeed(json.dumps({"won": winner})))

    def _cancel_loser(self, loser: DurableTask[Any]) -> None:
        """Stop a losing operation that runs, and record that it was cancelled."""
        if loser.call is None:
            return
        frame, op, inside = loser.call.frame, loser.call.op, loser.inside
        is_virtual = inside is not None and inside.parent_id != op.id  # it has no record, what runs in it has
        for call in self._driver.code.calls_in(inside) if inside is not None and is_virtual else ():
            self._cancel_loser(call)
        if not self._stop(loser) or is_virtual:
            return
        error = OperationCancelledError("cancelled, because another contestant has won the race")
        self._driver.checkpointer.submit(frame, op.fail(error), wait=False, held=True)

    def _stop(self, loser: DurableTask[Any]) -> bool:
        """Stop an operation that runs; return False if nothing of it runs on this side, or its end is on its way."""
        if loser.call is None or loser.runner is None or loser.is_parked or loser.call.op.type not in _CANCELLABLE:
            return False
        if loser.runner.is_abandoned or loser.is_ending:
            return False
        self._driver.abandon(loser.runner)
        if loser.inside is not None:
            self._driver.code.abandon_below(loser.inside)
            loser.inside.finished = True  # its ``finally`` blocks record nothing
        return True


def _was_cancelled(op: OperationHandle) -> bool:
    """Return whether the record of *op* says that it was cancelled."""
    return op.error is not None and op.error.error_type == OperationCancelledError.__name__


def _until_recorded() -> Flow[None]:
    """Represent the operation for plugins, which observe flows: it ends when the winner is recorded."""
    yield Suspend()
