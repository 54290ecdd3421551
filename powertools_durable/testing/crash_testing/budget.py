"""How many runs an exploration makes, which they are when there are more, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TypeVar

__all__ = ["Budget", "Progress"]

T = TypeVar("T")
Progress = Callable[[int, int], object]
_ALWAYS = 3  # runs without crashes, which all others are compared with


class Budget:
    """Counts runs, draws those that are made, and tells a watcher.

    Parameters
    ----------
    most : int | None
        How many of those between which it chooses are made at most.
    seed : int
        Draws them.
    progress : Callable | None
        Called with the runs made and planned.

    Attributes
    ----------
    left_out : int
        How many were not chosen.
    warnings : list[str]
        What became of the watcher.
    """

    def __init__(self, most: int | None, seed: int, progress: Progress | None) -> None:
        self.left_out = 0
        self.warnings: list[str] = []
        self._most = most
        self._random = Random(f"{seed}/explore")  # noqa: S311 - repeatable is what it is for
        self._progress = progress
        self._made = 0
        self._planned = _ALWAYS

    def plan(self, runs: int) -> None:
        """Count runs that will be made."""
        self._planned += runs

    def choose(self, plans: Iterable[T]) -> list[T]:
        """Return those that are made, in their order."""
        chosen = list(plans)
        if self._most is not None:
            if len(chosen) > self._most:
                self.left_out += len(chosen) - self._most
                places = sorted(self._random.sample(range(len(chosen)), self._most))
                chosen = [chosen[at] for at in places]
            self._most -= len(chosen)
        self.plan(len(chosen))
        return chosen

    def interval(self, operations: int) -> int:
        """Return after how many of its operations a run is killed that is killed again and again.

        Each of its invocations replays all that came before, so the cost of many grows with their square.
        """
        return 1 if self._most is None else max(1, -(-operations // self._most))

    def made(self) -> None:
        """Count a run. A watcher can't hurt: one that raises watches no more."""
        self._made += 1
        if self._progress is None:
            return
        try:
            self._progress(self._made, self._planned)
        except Exception as error:  # noqa: BLE001 - it is the caller's code
            self._progress = None
            self.warnings.append(f"progress= raised {type(error).__name__} and was not called again")
