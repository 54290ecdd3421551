"""A source of random numbers that draws the same on every replay, and only where the code of its context runs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["GuardedRandom"]


class GuardedRandom(Random):
    """Draws what `random.Random` draws from the same seed.

    A draw moves its position. Where code runs only once, as a step's body or a retry policy does, a draw would shift
    all later ones on the next replay; so each asks *guard* first.

    Parameters
    ----------
    seed : bytes
        Where it begins.
    guard : Callable
        Raises if it is asked at the wrong place.
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
        """Draw from a normal distribution; every second number is kept from the draw before."""
        self._check()
        return super().gauss(mu, sigma)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """Begin somewhere else."""
        self._check()
        super().seed(a, version)

    def setstate(self, state: Any) -> None:
        """Go to another position."""
        self._check()
        super().setstate(state)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy as a plain `random.Random` at the same position, which belongs to no context."""
        return _at, (self.getstate(),)

    def _check(self) -> None:
        if self._guard is not None:
            self._guard("random")


def _at(state: Any) -> Random:
    copied = Random()  # noqa: S311 - repeatable is what it is for
    copied.setstate(state)
    return copied
