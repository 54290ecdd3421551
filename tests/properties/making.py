"""Makes programs, code changes and plans out of choices; a seed or Hypothesis makes the choices.

The first of each choice is the simplest: what Hypothesis shrinks has fewer lines, no gestures, no faults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from tests.properties.line_kinds import GESTURES, KINDS, LEAVES, MISPLACED, SWALLOWS
from tests.properties.programs import Line, Program, lines_of

T = TypeVar("T")

_LEAVES = [kind for kind in LEAVES for _ in range(KINDS[kind].weight)]
_ALL = [kind for kind in KINDS for _ in range(KINDS[kind].weight)]
_INSIDE = [kind for kind in _ALL if kind != "defer"]  # that is for the handler's own context
_LEAVES_INSIDE = [kind for kind in _LEAVES if kind != "defer"]
_RARE = ("crowd", "large")
_MISPLACED = tuple(MISPLACED)


class Choices(Protocol):
    """Makes choices."""

    def number(self, low: int, high: int) -> int:
        """Choose a number, both ends included; *low* is the simplest."""
        ...

    def several(self, make: Callable[[], T], least: int, most: int) -> list[T]:
        """Make so many; fewer are simpler."""
        ...


class Seeded:
    """A seed decides."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def number(self, low: int, high: int) -> int:
        """Choose a number."""
        return low + int(self._random.random() * (high - low + 1))

    def several(self, make: Callable[[], T], least: int, most: int) -> list[T]:
        """Make so many, mostly few."""
        count = least
        while count < most and self._random.random() < 0.4:
            count += 1
        return [make() for _ in range(count)]


class Drawn:
    """Hypothesis decides, and shrinks."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def number(self, low: int, high: int) -> int:
        """Choose a number."""
        return int(self._draw(st.integers(low, high)))

    def several(self, make: Callable[[], T], least: int, most: int) -> list[T]:
        """Make so many; Hypothesis leaves out those that it can do without."""
        return list(self._draw(st.lists(st.builds(make), min_size=least, max_size=most)))


class Maker:
    """Makes programs.

    Parameters
    ----------
    choices : Choices
        Who decides.
    gestures : bool
        Whether users do around durable calls what they should not.
    rare : bool
        Whether now and then a line is large: more updates than fit a request, more text than fits a record.
    """

    def __init__(self, choices: Choices, *, gestures: bool = True, rare: bool = True) -> None:
        self.choices = choices
        self._gestures = gestures
        self._rare = rare
        self._names = 0

    def pick(self, options: Sequence[T]) -> T:
        """Choose one; the first is the simplest."""
        return options[self.choices.number(0, len(options) - 1)]

    def seldom(self, one_in: int) -> bool:
        """Choose True once in so many times."""
        return self.choices.number(1, one_in) == one_in

    def program(self, depth: int = 2, most: int = 4, *, inside: bool = False) -> Program:
        """Make a program; contexts are nested at most *depth* deep."""
        program = tuple(self.choices.several(lambda: self._line(depth, inside=inside), 1, most))
        if any(line.gesture in SWALLOWS for line in lines_of(program)):
            return _without_logs(program)
        return program

    def _line(self, depth: int, *, inside: bool) -> Line:
        kinds = (_INSIDE if depth else _LEAVES_INSIDE) if inside else (_ALL if depth else _LEAVES)
        kind = self.pick(kinds)
        if self._rare and self.seldom(250):
            kind = self.pick(_RARE)
        if self._gestures and not inside and self.seldom(50):
            kind = self.pick(_MISPLACED)
        return self.line(kind, depth)

    def line(self, kind: str, depth: int = 0) -> Line:
        """Make a line of that kind."""
        self._names += 1
        name, number = f"{kind}-{self._names}", self.pick((1, 1, 2, 2, 3))
        inside: list[Program] = []
        if most := KINDS[kind].inside:
            inside = self.choices.several(lambda: self.program(depth - 1, 2, inside=True), 1, most)
        if kind == "flat":  # a branch without a record is run again, and what it logs at its end said again
            inside = list(map(_without_logs, inside))
        gesture = self.pick(tuple(GESTURES)) if self._gestures and self.seldom(8) else ""
        return Line(kind, name, number, tuple(inside), gesture)


def _without_logs(program: Program) -> Program:
    """Replace what logs: after a gesture that catches suspensions, for one, it would at each of them."""
    return tuple(
        line._replace(kind="step" if line.kind == "log" else line.kind, inside=tuple(map(_without_logs, line.inside)))
        for line in program
    )
