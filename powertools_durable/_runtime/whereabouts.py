"""Tells telemetry whether the code of an ``async def`` context runs again, by the place of the running task."""

from __future__ import annotations

from powertools_durable._runtime.task_places import ContextRun, TaskPlace, current_place
from powertools_durable.scope import ReplayState

__all__ = ["Whereabouts"]


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
    return ReplayState.REPLAY if place.run.driver.has_unasked(frame.parent_id) else ReplayState.LIVE
