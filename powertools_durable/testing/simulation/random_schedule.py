"""How a seed picks who goes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Protocol

from powertools_durable.testing.simulation.thread_states import ThreadState

__all__ = ["Picks", "Whims"]

_SLOWEST, _FASTEST = -1.5, 1.5  # powers of ten
_CHANGES = 0.02  # how often whoever goes on gets another speed


class Picks(Protocol):
    """Picks who goes on."""

    def pick(self, ready: Sequence[ThreadState]) -> int:
        """Return the place in *ready* of whoever goes on; there are at least two."""
        ...


class Whims:
    """Gives each thread a speed, and changes it now and then; or is fair to all, as one seed in three is.

    Chance that is fair keeps threads abreast of each other. What breaks only when one is far ahead of another, such
    as a branch that ends before the one before it has begun, it brings about too rarely to be found.

    Parameters
    ----------
    seed : str
        Decides all of it.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable is what it is for
        self._is_fair = self._random.randrange(3) == 0

    def pick(self, ready: Sequence[ThreadState]) -> int:
        """Return the place in *ready* of whoever goes on."""
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
