"""A random generator that draws the same numbers on every replay, and only in the code of its context."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["GuardedRandom"]


class GuardedRandom(Random):
    """A `random.Random` that calls *guard* before each draw.

    Each draw changes the state. A draw in code that does not run on every replay, such as a step's body or a retry
    policy, would change all later draws on the next replay.

    Parameters
    ----------
    seed : bytes
        The seed.
    guard : Callable
        Raises where no draw is allowed.
    """

    def __init__(self, seed: bytes, guard: Callable[[str], None]) -> None:
        self._guard: Callable[[str], None] | None = None
        super().__init__(seed)
        self._guard = guard

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        self._check()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """Return a whole number of *k* bits."""
        self._check()
        return super().getrandbits(k)

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Draw from a normal distribution. Overridden, because every second call returns a number computed before."""
        self._check()
        return super().gauss(mu, sigma)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """Set the seed."""
        self._check()
        super().seed(a, version)

    def setstate(self, state: Any) -> None:
        """Set the state."""
        self._check()
        super().setstate(state)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as a plain `random.Random` with the same state, which belongs to no context."""
        return _with_state, (self.getstate(),)

    def _check(self) -> None:
        if self._guard is not None:
            self._guard("random")


def _with_state(state: Any) -> Random:
    copied = Random()  # noqa: S311 - repeatable on purpose
    copied.setstate(state)
    return copied
