"""Decides for telemetry whether code of an ``async def`` context replays, by the place of the running task.

If the service names the records that have changed, the previous invocation was suspended, so it had run until nothing
was left to run. Then all code replays until the first *news*: a result that is handed over for the first time, or an
operation that begins for the first time. If the service names none, the previous invocation may have been interrupted
anywhere; then code replays as long as a record follows. In case of doubt code is live, because a lost log line is worse
than a repeated one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.effects import Call
from powertools_durable._replay.engine import CALLABLE_TYPES, ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.durable_task import Line
from powertools_durable._runtime.task_places import ContextRun, current_task
from powertools_durable._runtime.unconsumed import FirstCall
from powertools_durable.scope import ReplayState

__all__ = ["ReplayProgress", "TaskReplayState"]

_MOST_FIRST_CALLS = 100


class TaskReplayState:
    """The replay state of a context, which differs between its tasks."""

    __slots__ = ("_run",)

    def __init__(self, run: ContextRun) -> None:
        self._run = run

    @property
    def frame(self) -> Frame:
        """The frame of the context."""
        return self._run.frame

    @property
    def replay_state(self) -> ReplayState:
        """The replay state of the running task's place."""
        run, task = self._run, current_task()
        place = run.place if task is None else task.place
        if place is None and task is not None and task.work is not None and not task.work.is_over:
            # Auxiliary user code of an operation in progress, such as a retry policy.
            return ReplayState.UNWINDING if run.driver.is_unwinding else ReplayState.LIVE
        return place.replay_state if place is not None and place.run is run else run.place.replay_state


class ReplayProgress:
    """The progress of a replay: whether this invocation still repeats earlier ones.

    Parameters
    ----------
    engine : ReplayEngine
        Has the records of earlier invocations.

    Attributes
    ----------
    is_over : bool
        Something has happened for the first time.
    first_calls : list
        Operations without a record of earlier invocations, with code and line of their calls; not more than 100.
    """

    def __init__(self, engine: ReplayEngine) -> None:
        self.first_calls: list[FirstCall] = []
        self._updated = engine.updated
        self._recorded = dict(engine.operations) if engine.is_replaying else {}
        self._uncalled: defaultdict[str | None, set[str]] = defaultdict(set)
        self._called_ids, self._counted = engine.called_ids, 0
        self.is_over = not self._recorded
        for record in () if self._updated else self._recorded.values():
            if record.type in CALLABLE_TYPES:
                self._uncalled[record.parent_id or None].add(record.id)

    def includes(self, call: Call[Any], line: Line | None) -> bool:
        """Return whether the result of *call*, made at that line, was available in an earlier invocation."""
        record = self._recorded.get(call.op.id)
        if record is None:
            if line is not None and self._recorded and len(self.first_calls) < _MOST_FIRST_CALLS:
                self.first_calls.append((call.op, line))
            return False
        return call.at_start or (record.status.is_terminal and record.id not in self._updated)

    def continues(self, parent_id: str | None) -> bool:
        """Return whether code of the context with that record still replays, regardless of its own next call."""
        if self.is_over or self._updated:
            return not self.is_over
        for number in range(self._counted, len(self._called_ids)):
            record = self._recorded.get(self._called_ids[number])
            if record is not None:
                self._uncalled[record.parent_id or None].discard(record.id)
        self._counted = len(self._called_ids)
        return bool(self._uncalled.get(parent_id))

    def note_handed_over(self, call: Call[Any]) -> None:
        """Note that the result of *call* is handed over for the first time."""
        if call.op.record is not None:  # a context without a record ends when its last operation does: no news
            self.is_over = True

    def note_queued(self, update: OperationUpdate) -> None:
        """Note that *update* is queued; the first one of an operation is news."""
        if update.id not in self._recorded:
            self.is_over = True
