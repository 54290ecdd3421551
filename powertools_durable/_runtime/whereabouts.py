"""Tells telemetry whether the code of an ``async def`` context runs again, by the place of the running task."""

from __future__ import annotations

from collections import defaultdict

from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._runtime.task_places import ContextRun, TaskPlace, current_place
from powertools_durable.scope import ReplayState

__all__ = ["Unasked", "Whereabouts", "state_of"]


class Whereabouts:
    """Where the code of a context is, for each of its tasks.

    A place repeats what an earlier invocation did while its next operation is recorded, while a result that was there
    before has not been handed over, and while something below its context is recorded that was not asked for yet.
    """

    __slots__ = ("_run",)

    def __init__(self, run: ContextRun) -> None:
        self._run = run

    @property
    def replay_state(self) -> ReplayState:
        """The state of the running task's place."""
        run = self._run
        if run.driver.is_unwinding:
            return ReplayState.UNWINDING
        place = current_place()
        return state_of(place if place is not None and place.run is run else run.place)


def state_of(place: TaskPlace) -> ReplayState:
    """Return the state of one place."""
    frame = place.frame
    if frame.replay_state is ReplayState.SEALED:
        return ReplayState.SEALED
    if place.replayed or frame.recorded_ahead() is not None:
        return ReplayState.REPLAY
    return ReplayState.REPLAY if place.run.driver.unasked.are_below(frame.parent_id) else ReplayState.LIVE


class Unasked:
    """The records of earlier invocations that the code has not asked for yet, by the context that they lie in."""

    def __init__(self, engine: ReplayEngine) -> None:
        self._ask = engine.ask
        self._recorded = dict(engine.operations) if engine.is_replaying else {}
        self._below: defaultdict[str | None, set[str]] = defaultdict(set)
        for record in self._recorded.values():
            if record.type is not OperationType.EXECUTION:
                self._below[record.parent_id or None].add(record.id)
        if self._recorded:
            engine.ask = self._asks

    def are_below(self, parent_id: str | None) -> bool:
        """Return whether something directly below a recorded context is recorded that was not asked for yet."""
        return bool(self._below.get(parent_id))

    def _asks(self, operation_id: str) -> None:
        self._ask(operation_id)
        record = self._recorded.get(operation_id)
        if record is not None:
            self._below[record.parent_id or None].discard(operation_id)
