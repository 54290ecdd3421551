"""Decides what happens when an event loop is idle: hand over a result, wait, poll a timer, or suspend.

Live and on a replay, results are ordered by one rule: they are handed over while the loop is idle, one at a time, in
the order of the end times in their records. So tasks that race see the same winner on every replay
(docs/contributing/protocol.md#order-of-results).

An operation that waits for the service is *parked*. The invocation is suspended when only parked operations could wake
the code: no body runs, no request is in flight, and every task waits, directly or through other tasks, for a durable
call. If a task waits for something else, such as a timer, a socket or a thread of the user's, the invocation first
waits until a second has passed without durable progress (`DurableConfig.plain_await_grace`).
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.environment import SteadyTime
from powertools_durable._runtime.wakeups import line_of, waits_only_for_durable_calls
from powertools_durable.errors import BackendError, SuspendExecution

if TYPE_CHECKING:
    import asyncio

    from powertools_durable._replay.effects import Call
    from powertools_durable._replay.engine import ReplayEngine
    from powertools_durable._runtime.checkpointer import Checkpointer
    from powertools_durable._runtime.deadline import Deadline
    from powertools_durable._runtime.durable_task import DurableTask
    from powertools_durable._runtime.environment import Clock
    from powertools_durable._runtime.loop import DurableLoop
    from powertools_durable._runtime.task_places import ContextRun, PlacedTask

__all__ = ["IdleWatch"]

logger = logging.getLogger(__name__)

_POLL_AGAIN = 0.1  # seconds until a timer that the service still reports as running is polled again


_Turn: TypeAlias = "tuple[float, int, asyncio.Future[None], asyncio.Future[Any] | None]"


class _Parked:
    """An operation that waits for the service."""

    __slots__ = ("op", "task", "until", "woken")

    def __init__(
        self,
        op: OperationHandle,
        until: datetime | None,
        task: DurableTask[Any] | None,
        woken: asyncio.Future[None],
    ) -> None:
        self.task = task
        self.op = op
        self.until = until
        self.woken = woken


class IdleWatch:
    """Watches the loop of one invocation.

    Parameters
    ----------
    loop : DurableLoop
        The loop.
    engine, checkpointer, deadline, clock
        The parts of the invocation.
    grace : float
        Seconds without durable progress for which a task may wait for something that is not durable.
    unwind : Callable
        Cancels the code, with a suspension, or with None when the engine is interrupted or revoked.
    poll : Callable
        Sends a request without an update, to learn which records have changed.
    tasks : Collection
        The tasks that run the user's code.

    Attributes
    ----------
    working : int
        Number of bodies that run and requests that are awaited.
    open : int
        Number of durable calls whose results have not been handed over.
    is_over : bool
        The handler has ended, or is being unwound.
    """

    def __init__(
        self,
        loop: DurableLoop,
        engine: ReplayEngine,
        checkpointer: Checkpointer,
        deadline: Deadline,
        clock: Clock,
        *,
        grace: float,
        unwind: Callable[[SuspendExecution | None], None],
        poll: Callable[[], None],
        tasks: Collection[PlacedTask],
    ) -> None:
        self.working = 0
        self.open = 0
        self.is_over = False
        self._loop = loop
        self._engine = engine
        self._checkpointer = checkpointer
        self._deadline = deadline
        self._clock = clock
        self._grace = grace
        self._unwind = unwind
        self._poll = poll
        self._tasks = tasks
        self._time = SteadyTime(clock)
        self._ended: list[tuple[float, tuple[Any, ...], int, DurableTask[Any]]] = []
        self._turns: list[_Turn] = []  # what happens between results
        self._lone: DurableTask[Any] | None = None  # the only task that has ended: its time need not be read
        self._handed_over = -inf  # the time of the last result; a result without a time gets the same
        self._unread: Call[Any] | None = None  # the call of the last result, if its time was not read
        self._parked: dict[str, list[_Parked]] = {}
        self._changed: deque[str] = deque()
        self._polled_at = -inf
        self._polled: set[str] = set()
        self._waits_since: float | None = None
        self._sequence = 0
        self._turn = 0
        engine.state.on_change = self._changed.append

    # -- results -------------------------------------------------------------------------------------------

    def ended(self, task: DurableTask[Any]) -> None:
        """Note that the operation of *task* has ended."""
        if self._lone is None and not self._ended:
            self._lone = task
            return
        if self._lone is not None:
            lone, self._lone = self._lone, None
            self._queue(lone)
        self._queue(task)

    def _queue(self, task: DurableTask[Any]) -> None:
        self._sequence += 1
        heapq.heappush(self._ended, (self._time_of(task.call), task.path, self._sequence, task))

    def _time_of(self, call: Call[Any] | None) -> float:
        """Return when an operation ended according to its record, in milliseconds.

        The result of `create_callback` is available when the operation starts, so it has its start time.
        """
        record = None if call is None else call.op.record
        if call is not None and record is not None:
            moment = record.start_timestamp if call.at_start else record.end_timestamp
            if moment is not None:
                return int(moment.timestamp() * 1000)
        if self._unread is not None:
            unread, self._unread = self._unread, None
            self._handed_over = self._time_of(unread)
        return self._handed_over

    def _next_ended(self) -> DurableTask[Any] | None:
        if self._lone is not None:
            task, self._lone = self._lone, None
            self._unread = task.call
            return task
        if not self._ended:
            return None
        time, _, _, task = heapq.heappop(self._ended)
        self._handed_over, self._unread = time, None
        return task

    def hand_over_next(self) -> bool:
        """Hand over the next result; return whether there was one."""
        if self._turns and (is_taken := self._take_turn()) is not None:
            return is_taken
        if (task := self._next_ended()) is None:
            return False
        self._waits_since = None
        self._hand_over(task)
        return True

    def turn_after(self, calls: Iterable[Call[Any]], first: asyncio.Future[Any] | None = None) -> asyncio.Future[None]:
        """Return what is completed between the results before the first of *calls* ended, and those since then.

        Later results wait for it, and it waits for *first*, as long as something that is not durable may complete that.
        """
        turn: asyncio.Future[None] = self._loop.create_future()
        self._sequence += 1
        heapq.heappush(self._turns, (min(map(self._time_of, calls)), self._sequence, turn, first))
        return turn

    def _take_turn(self) -> bool | None:
        """Complete what waits for its turn; None if a result comes first, False if both have to wait."""
        if self._lone is not None:
            lone, self._lone = self._lone, None
            self._queue(lone)
        if self._ended and self._ended[0][0] < self._turns[0][0]:
            return None
        _, _, turn, first = self._turns[0]
        if not turn.done() and first is not None and not first.done() and self._loop.has_sources:
            return False
        heapq.heappop(self._turns)
        if turn.done():  # what waited for it was cancelled
            return self.hand_over_next()
        turn.set_result(None)
        return True

    def _hand_over(self, task: DurableTask[Any]) -> None:
        self.open -= 1
        self._turn += 1
        task.turn = self._turn
        task.place.run.driver.complete(task)

    def hand_over_all_of(self, run: ContextRun) -> None:
        """Hand over the results in a context whose code has ended: they may have done-callbacks."""
        if not any(task.outcome is not None and not task.turn for task in run.calls):
            return
        if self._lone is not None:
            lone, self._lone = self._lone, None
            self._queue(lone)
        theirs = sorted(entry for entry in self._ended if entry[-1].place.run is run)
        self._ended = [entry for entry in self._ended if entry[-1].place.run is not run]
        heapq.heapify(self._ended)
        for *_, task in theirs:
            self._hand_over(task)

    def hand_over_alone(self, task: DurableTask[Any]) -> bool:
        """Hand over *task* at once, if it has ended and there is no other result or task to order it with."""
        if task is not self._lone or self.open != 1 or task.runner is not None or len(self._tasks) != 1:
            return False
        self._lone, self._unread, self._waits_since = None, task.call, None
        self._hand_over(task)
        return True

    # -- parked operations ---------------------------------------------------------------------------------

    async def park(self, op: OperationHandle, until: datetime | None, task: DurableTask[Any] | None = None) -> None:
        """Wait until the record of *op* changes, on behalf of *task*."""
        parked = _Parked(op, until, task, self._loop.create_future())
        same = self._parked.setdefault(op.id, [])
        same.append(parked)
        try:
            await parked.woken
        finally:
            same.remove(parked)
            if not same:
                self._parked.pop(op.id, None)

    def take_changed(self) -> list[str]:
        """Return the operations whose records have changed; called on the sender's thread."""
        return [self._changed.popleft() for _ in range(len(self._changed))]

    def wake(self, changed: Iterable[str]) -> None:
        """Wake the operations whose records have changed."""
        for identifier in changed:
            for parked in self._parked.get(identifier, ()):
                if not parked.woken.done():
                    parked.woken.set_result(None)

    @property
    def _all_parked(self) -> list[_Parked]:
        return [parked for same in self._parked.values() for parked in same]

    # -- when the loop is idle -----------------------------------------------------------------------------

    def busy_for_long(self) -> None:
        """Do what an idle loop does, although callbacks are ready: the code may be polling for a result in a loop."""
        if self.is_over:
            self._checkpointer.release()
            return
        if self._engine.interruption is not None or self._engine.revoked:
            self._unwind(None)
            return
        if self._ended or self._turns or self._lone is not None:
            logger.warning(
                "tasks keep the event loop busy without awaiting anything that takes time, for example by 'while not "
                "task.done(): await asyncio.sleep(0)'; await the task instead"
            )
            self.hand_over_next()
        self._checkpointer.release()
        if self._deadline.patience <= 0:
            self._end_at_deadline()
        elif self._parked:
            self._until_next_timer(0)

    def timeout_expires(self, limited: object) -> None:
        """Warn of a timeout that ends the wait for a durable call, because it is not recorded."""
        for task in self._tasks:
            waits = task is limited or getattr(task, "_fut_waiter", None) is limited
            if waits and waits_only_for_durable_calls(task):
                logger.warning(
                    "a timeout of asyncio ends the wait for a durable call, at %s; it is not recorded, and begins anew "
                    "in each invocation. Use ctx.race() with ctx.wait(), or the timeout= of the operation",
                    line_of(task),
                )

    def idle(self, timeout: float | None) -> float | None:
        """Decide what to do; return how many seconds the loop may sleep."""
        if self._loop.is_ready:
            return 0
        if self.is_over:
            self._checkpointer.release()
            return timeout
        if self._engine.interruption is not None or self._engine.revoked:
            self._unwind(None)
            return 0
        if self.hand_over_next():  # before the release: updates that the task queues now share the request
            return 0
        self._checkpointer.release()
        patience = self._deadline.patience
        if patience <= 0:
            self._end_at_deadline()
            return 0
        sleep = patience if timeout is None else min(timeout, patience)
        if self.working or not self._parked:
            self._waits_since = None
            return self._until_next_timer(sleep) if self._parked else sleep
        return self._suspend_or_wait(sleep)

    def _until_next_timer(self, sleep: float) -> float:
        """Return how long to sleep while something runs: until the next parked timer is due; poll for due ones."""
        due = min((parked.until for same in self._parked.values() for parked in same if parked.until), default=None)
        if due is None:
            return sleep
        left = (due - self._time.now()).total_seconds()
        if left <= 0:
            left = self._poll_a_due_timer()
        return min(sleep, left)

    def _poll_a_due_timer(self) -> float:
        now = self._clock.monotonic()
        left = self._polled_at + _POLL_AGAIN - now
        if left <= 0:
            self._polled_at = now
            self._poll()
            return _POLL_AGAIN
        return left

    def _suspend_or_wait(self, sleep: float) -> float:
        """Suspend, unless something that is not durable could still wake a task."""
        parked = self._all_parked
        now = self._time.now()
        due = {one.op.id for one in parked if one.until is not None and one.until <= now} - self._polled
        if due or self._engine.pending:
            # The responses show which timers have fired and which callbacks were answered. The service does not
            # invoke again for those, so suspending without looking would lose them.
            self._polled |= due
            self._poll()
            return sleep
        waiting = [task for task in self._tasks if not waits_only_for_durable_calls(task)]
        if waiting and self._loop.has_sources:
            if not any(one.task is None or one.task.has_waiters for one in parked):
                return sleep  # no event of the service could wake the code
            moment = self._clock.monotonic()
            self._waits_since = moment if self._waits_since is None else self._waits_since
            left = self._waits_since + self._grace - moment
            if left > 0:
                return min(sleep, left)
            logger.warning(
                "the execution is suspended while a task waits for something that is not durable, at %s; the wait "
                "begins anew in the next invocation. Use a step, or ctx.wait()",
                line_of(waiting[0]),
            )
        until = min((one.until for one in parked if one.until is not None), default=None)
        self._unwind(SuspendExecution(until, tuple(one.op for one in parked)))
        return 0

    def _end_at_deadline(self) -> None:
        for task in self._tasks if not self._parked and not self.working else ():
            logger.error("the invocation ends while a task still waits, at %s", line_of(task))
        self._engine.interrupt(BackendError("the invocation ends while the handler still runs", retryable=True))
        self._unwind(None)

    @property
    def patience(self) -> float:
        """Seconds to wait for the end of cancelled tasks."""
        return min(1.0, self._deadline.patience, threading.TIMEOUT_MAX)
