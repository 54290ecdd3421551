"""Decides which branch to start, when the fan-out is complete or suspends, and which branch to resume.

See docs/contributing/protocol.md#map-and-parallel.

There is one plan for each fan-out and invocation. It is pure: the driver runs the branches and reports events to it.

* Branches are admitted in index order, ``max_concurrency`` at a time. A suspended branch keeps its slot.
* With ``batch_size`` the next group is admitted when every branch of the previous group has ended.
* Once the fan-out is complete, its reason does not change and no branch is admitted; later outcomes are still included.
* A value that can't be written or read is a mistake in the code, not a failure of the branch: it ends the fan-out,
  no matter how many failures are tolerated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import heappop, heappush

from powertools_durable._replay.outcome import Outcome, Raised, Returned
from powertools_durable.completion import BranchState, Completion, FanOutStatus
from powertools_durable.errors import SerDesError

__all__ = ["FanOutPlan"]


class FanOutPlan:
    """The plan of one fan-out.

    Parameters
    ----------
    indexes : Sequence[int]
        The branches, in the order in which they are admitted.
    completion : Completion
        Decides when the fan-out is complete.
    max_concurrency : int | None
        Maximum number of branches in flight, suspended ones included; None: no limit.
    batch_size : int | None
        Number of branches in a group; None: one group of all branches.
    rebuilds : bool
        The fan-out has succeeded in an earlier invocation: the branches' outcomes are taken from their records.

    Attributes
    ----------
    indexes : Sequence[int]
        The branches, in the order in which they are admitted.
    reason : str | None
        Why the fan-out is complete; None while it is not.
    running : int
        Number of branches that run now.
    """

    def __init__(
        self,
        indexes: Sequence[int],
        completion: Completion,
        *,
        max_concurrency: int | None = None,
        batch_size: int | None = None,
        rebuilds: bool = False,
    ) -> None:
        self.indexes = indexes
        self.reason: str | None = None
        self.running = 0
        self._completion = completion
        self._rebuilds = rebuilds
        self._slots = max_concurrency or len(indexes)
        self._group = batch_size or len(indexes)
        self._states: dict[int, BranchState | None] = dict.fromkeys(indexes)
        self._outcomes: dict[int, Outcome] = {}
        self._suspended: dict[int, datetime | None] = {}
        self._timers: list[tuple[datetime, int]] = []  # a heap; entries of branches that no longer wait are skipped
        self._admitted = 0
        self._succeeded = 0
        self._decide()

    # -- what to do ----------------------------------------------------------------------------------------

    @property
    def earliest(self) -> datetime | None:
        """Time when the first timer of a suspended branch is due; None if there is none."""
        timers = self._timers
        while timers and self._suspended.get(timers[0][1]) != timers[0][0]:
            heappop(timers)
        return timers[0][0] if timers else None

    def admit(self) -> int | None:
        """Return the next branch to start, which counts as running; None if none may start now."""
        if self.reason is not None or self._admitted >= len(self.indexes) or not self._has_slot():
            return None
        index = self.indexes[self._admitted]
        self._admitted += 1
        self.running += 1
        self._states[index] = BranchState.STARTED
        if self._completion.when is not None:  # a rule may depend on which branches have started
            self._decide()
        return index

    def wake(self, now: datetime) -> list[int]:
        """Return the suspended branches whose timers are due, in index order; they count as running."""
        ready = []
        while (moment := self.earliest) is not None and moment <= now:
            index = heappop(self._timers)[1]
            self.resumed(index)
            ready.append(index)
        return sorted(ready)

    def resumed(self, index: int) -> None:
        """Note that a suspended branch runs again, because the event that it waited for has happened."""
        del self._suspended[index]
        self.running += 1

    # -- outcomes of branches ------------------------------------------------------------------------------

    def ended(self, index: int, outcome: Outcome) -> None:
        """Note that a branch returned or raised.

        Raises
        ------
        SerDesError
            The branch raised it; no completion rule tolerates it.
        """
        self._outcomes[index] = outcome
        self.running -= 1
        match outcome:
            case Returned():
                self._states[index] = BranchState.SUCCEEDED
                self._succeeded += 1
            case Raised(SerDesError() as mistake) if not self._rebuilds:
                raise SerDesError(str(mistake)) from mistake  # a subclass is recorded and raised as SerDesError
            case Raised():
                self._states[index] = BranchState.FAILED
        self._decide()

    def suspended(self, index: int, until: datetime | None) -> None:
        """Note that a branch waits, until a time or for an external event; it keeps its slot."""
        self._suspended[index] = until
        self.running -= 1
        if until is not None:
            heappush(self._timers, (until, index))

    @property
    def outcomes(self) -> Mapping[int, Outcome | None]:
        """The branches that were started, in index order; None for those that have not ended."""
        return {index: self._outcomes.get(index) for index in self.indexes[: self._admitted]}

    # -- deciding ------------------------------------------------------------------------------------------

    @property
    def _in_flight(self) -> int:
        return self._admitted - len(self._outcomes)

    def _has_slot(self) -> bool:
        if self._in_flight >= self._slots:
            return False
        # The next group starts when every branch before it has ended.
        return self._admitted % self._group != 0 or self._in_flight == 0

    def _decide(self) -> None:
        if self.reason is None:
            failed = len(self._outcomes) - self._succeeded
            status = FanOutStatus(len(self.indexes), self._succeeded, failed, self._states)
            self.reason = self._completion.reason(status)
