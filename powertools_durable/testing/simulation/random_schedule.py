"""The choice of the next thread by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Protocol

__all__ = ["RandomSchedule", "Schedule"]

_SLOWEST, _FASTEST = -1.5, 1.5  # powers of ten
_CHANGES = 0.02  # probability that the chosen thread gets another speed


class Paced(Protocol):
    """A thread, or a body on an event loop, that can run next.

    Attributes
    ----------
    speed : float
        How often it is chosen, relative to others; 0 before the first choice.
    """

    speed: float


class Schedule(Protocol):
    """Chooses which thread runs next."""

    def pick(self, ready: Sequence[Paced]) -> int:
        """Return the index in *ready* of the thread that runs next; there are at least two."""
        ...


class RandomSchedule:
    """Chooses threads by random speeds, which change now and then; for one seed in three all have the same speed.

    With equal speeds all threads make about the same progress. Then one thread is rarely far ahead of another, as when
    a branch ends before the previous one has begun.

    Parameters
    ----------
    seed : str
        Decides all choices.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        self._is_fair = self._random.randrange(3) == 0

    def pick(self, ready: Sequence[Paced]) -> int:
        """Return the index in *ready* of the thread that runs next."""
        random = self._random
        if self._is_fair:
            return random.randrange(len(ready))
        for task in ready:
            if not task.speed:
                task.speed = self._speed()
        totals = list(accumulate(task.speed for task in ready))
        mark = random.random() * totals[-1]
        picked = next(at for at, total in enumerate(totals) if mark <= total)
        if random.random() < _CHANGES:
            ready[picked].speed = self._speed()
        return picked

    def _speed(self) -> float:
        return 10 ** self._random.uniform(_SLOWEST, _FASTEST)
