"""Tells telemetry whether the code of an ``async def`` context runs again, by the place of the running task.

An invocation that the service suspended ran until nothing was left to run. So when the service says what has changed
since, all code repeats what was done before until the first *news*: a result that was not there yet, or an operation
that is begun for the first time. When it does not say, the invocation before was perhaps cut off anywhere, and what
counts is what is recorded: code repeats while a record is ahead of it. When in doubt, code is live, because losing a
log line is worse than repeating one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.effects import Call
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._runtime.task_places import ContextRun, current_task
from powertools_durable.scope import ReplayState

__all__ = ["Repetition", "Whereabouts"]

_ASKED_FOR = frozenset(OperationType) - {OperationType.EXECUTION}


class Whereabouts:
    """Where the code of a context is, for each of its tasks."""

    __slots__ = ("_run",)

    def __init__(self, run: ContextRun) -> None:
        self._run = run

    @property
    def replay_state(self) -> ReplayState:
        """The state of the running task's place."""
        run, task = self._run, current_task()
        place = run.place if task is None else task.place
        if place is None and task is not None and task.work is not None and not task.work.is_over:
            # Other code of the user's for an operation in progress, such as a retry policy.
            return ReplayState.UNWINDING if run.driver.is_unwinding else ReplayState.LIVE
        return place.replay_state if place is not None and place.run is run else run.place.replay_state


class Repetition:
    """How far an invocation has repeated what earlier ones did.

    Parameters
    ----------
    engine : ReplayEngine
        With the records of earlier invocations.

    Attributes
    ----------
    is_over : bool
        Something has happened that had not happened before.
    """

    def __init__(self, engine: ReplayEngine) -> None:
        self._ask = engine.ask
        self._updated = engine.updated
        self._recorded = dict(engine.operations) if engine.is_replaying else {}
        self._unasked: defaultdict[str | None, set[str]] = defaultdict(set)
        self.is_over = not self._recorded
        for record in self._recorded.values():
            if record.type in _ASKED_FOR:  # code can't ask for a type that this version does not know
                self._unasked[record.parent_id or None].add(record.id)
        if self._recorded:
            engine.ask = self._asks

    def includes(self, call: Call[Any]) -> bool:
        """Return whether the result of *call* was there in an earlier invocation."""
        record = self._recorded.get(call.op.id)
        if record is None:
            return False
        return call.at_start or (record.status.is_terminal and record.id not in self._updated)

    def goes_on(self, parent_id: str | None) -> bool:
        """Return whether code of the context with that record repeats what was done before, its own calls aside."""
        return not self.is_over and (bool(self._updated) or bool(self._unasked.get(parent_id)))

    def handed_over(self, call: Call[Any]) -> None:
        """Note that the result of *call*, which was not there before, is given to the code."""
        if call.op.record is not None:  # the end of a context without a record follows from what is inside
            self.is_over = True

    def queued(self, update: OperationUpdate) -> None:
        """Note that *update* is queued: an operation's first one is news."""
        if update.id not in self._recorded:
            self.is_over = True

    def _asks(self, operation_id: str) -> None:
        self._ask(operation_id)
        record = self._recorded.get(operation_id)
        if record is not None:
            self._unasked[record.parent_id or None].discard(operation_id)
