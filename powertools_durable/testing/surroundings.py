"""What code finds around it, and must not depend on: the clock, chance, the environment, its module's globals.

Inside a step's body all of it is the same in every run, because what a body finds is recorded. Outside of steps it
differs from one invocation to the next, as it does in Lambda; so code that depends on it comes out differently.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from types import TracebackType
from typing import Any, Protocol, Self

from powertools_durable.scope import current_scope
from powertools_durable.testing.module_globals import Globals

__all__ = ["Surroundings"]

# How much later an invocation seems to run than it does: another half of the day, another weekday, another month.
_LATER = (timedelta(), timedelta(hours=12), timedelta(days=2, hours=5), timedelta(days=40, hours=13, minutes=30))
_OTHER = {"true": "false", "false": "true", "1": "0", "0": "1", "yes": "no", "no": "yes", "on": "off", "off": "on"}


@cache
def _seed(invocation: int) -> int:
    """Return a seed whose first numbers are far from those of the invocations before and after."""
    wanted = invocation * 0.618 % 1
    return next(seed for seed in count() if abs(random.Random(seed).random() - wanted) < 0.03)  # noqa: S311


class HasTime(Protocol):
    """Tells the virtual time."""

    def now(self) -> datetime: ...


class Surroundings:
    """Holds what surrounds the runs of one exploration; a context manager that leaves all as it was.

    Parameters
    ----------
    module_globals : Globals
        The globals of the code that is explored.
    """

    def __init__(self, module_globals: Globals) -> None:
        self._globals = module_globals
        self._traveller: Any = None
        self._wall: Any = None
        self._clock: HasTime | None = None
        self._invocation = 0
        self._salt = ""
        self._inside = 0
        self._outside_state: Any = None
        self._streams: dict[str, random.Random] = {}
        self._environment: dict[str, str] = {}
        self._random_state: Any = None
        self._urandom = os.urandom
        self._lock = threading.RLock()

    @property
    def moves_the_clock(self) -> bool:
        """True when the machine's clock can be moved: ``time-machine`` is installed."""
        return find_spec("time_machine") is not None

    def __enter__(self) -> Self:
        self._random_state = random.getstate()
        self._environment = dict(os.environ)
        os.urandom = self._bytes
        random._urandom = self._bytes  # type: ignore[attr-defined] # noqa: SLF001 - what SystemRandom draws from
        if self.moves_the_clock:
            self._traveller = import_module("time_machine").travel(0.0, tick=True)
            self._wall = self._traveller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.urandom = self._urandom
        random._urandom = self._urandom  # type: ignore[attr-defined] # noqa: SLF001
        random.setstate(self._random_state)
        self._settle_environment()
        self._globals.restore()
        if self._traveller is not None:
            self._traveller.stop()
            self._traveller = self._wall = None

    def run(self, clock: HasTime, salt: str = "") -> None:
        """Begin a run: all is as it was at the beginning; with *salt*, bodies find other surroundings too."""
        self._clock = clock
        self._salt = salt
        self._invocation = 0
        self._settle_environment()
        self._globals.restore()

    def invocation(self, *, cold: bool, changed: Iterable[str] = ()) -> None:
        """Begin an invocation: *cold* in a fresh process, with the variables *changed* if it is not the first."""
        self._invocation += 1
        if cold:
            self._globals.restore()
        if self._invocation > 1:
            for name in changed:
                value = self._environment.get(name)
                os.environ[name] = "changed" if value is None else _OTHER.get(value.lower(), f"{value}-changed")
        random.seed(_seed(self._invocation))
        self._streams[""] = random.Random(_seed(self._invocation))  # noqa: S311 - repeatable is what it is for
        self._tell_time()

    @contextmanager
    def inside(self, operation_id: str) -> Iterator[None]:
        """Surround the body of a step."""
        with self._lock:
            if not self._inside:
                self._outside_state = random.getstate()
            self._inside += 1
            self._streams[operation_id] = random.Random(operation_id + self._salt)  # noqa: S311 - repeatable
            random.seed(operation_id + self._salt)
            self._tell_time()
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    random.setstate(self._outside_state)
                    self._tell_time()

    # -- the clock -------------------------------------------------------------------------------------------

    def _tell_time(self) -> None:
        if self._wall is None or self._clock is None:
            return
        later = _LATER[bool(self._salt) if self._inside else (self._invocation - 1) % len(_LATER)]
        self._wall.move_to((self._clock.now() + later).timestamp())  # a datetime would set the process's time zone

    # -- chance and environment ------------------------------------------------------------------------------

    def _bytes(self, size: int, /) -> bytes:
        """Stand in for ``os.urandom``: in a step's body the same in each run, elsewhere in each invocation."""
        scope = current_scope()
        if scope is None:
            return self._urandom(size)
        return self._streams[scope.operation_id or "" if scope.step is not None else ""].randbytes(size)

    def _settle_environment(self) -> None:
        for name in set(os.environ) - set(self._environment):
            os.environ.pop(name)
        os.environ.update(self._environment)
