"""Chooses by a seed which thread runs next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Protocol

__all__ = ["Picks", "RandomSchedule"]

_SLOWEST, _FASTEST = -1.5, 1.5  # powers of ten
_CHANGES = 0.02  # probability that the chosen thread gets another speed


class Paced(Protocol):
    """What can run next: a thread, or a body on an event loop.

    Attributes
    ----------
    speed : float
        How often it is chosen, relative to others; 0 before the first choice.
    """

    speed: float


class Picks(Protocol):
    """Chooses which thread runs next."""

    def pick(self, ready: Sequence[Paced]) -> int:
        """Return the index in *ready* of the thread that runs next; there are at least two."""
        ...


class RandomSchedule:
    """Gives each thread a speed and changes it now and then; one seed in three treats all threads alike.

    A uniform choice keeps all threads at about the same place. It rarely produces the cases in which one thread is far
    ahead of another, for example a branch that ends before the previous one has begun.

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
        so_far = list(accumulate(task.speed for task in ready))
        mark = random.random() * so_far[-1]
        picked = next(at for at, total in enumerate(so_far) if mark <= total)
        if random.random() < _CHANGES:
            ready[picked].speed = self._speed()
        return picked

    def _speed(self) -> float:
        return 10 ** self._random.uniform(_SLOWEST, _FASTEST)
