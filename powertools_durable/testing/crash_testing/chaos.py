"""What code finds around it, and must not depend on: the clock, chance, the environment, its module's globals.

Inside a step's body all of it is the same in every run, because what a body finds is recorded. Outside of steps it
differs from one invocation to the next, as it does in Lambda; so code that depends on it comes out differently.

What a test has set up before stays: a clock that it holds is not moved, an ``os.urandom`` of its own is not replaced.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from types import BuiltinFunctionType, TracebackType
from typing import Any, Protocol, Self

from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.leftover_globals import before_any_run
from powertools_durable.testing.crash_testing.module_globals import Globals
from powertools_durable.testing.crash_testing.process_state import Process

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

    Attributes
    ----------
    still : str
        Why the machine's clock is not moved; empty when it is.
    """

    def __init__(self, module_globals: Globals) -> None:
        self._globals = module_globals
        self._process = Process()
        self._at_the_end = ExitStack()
        self._wall: Any = None
        self._clock: HasTime | None = None
        self._invocation = 0
        self._salt = ""
        self._inside = 0
        self._outside_state: Any = None
        self._turn: str | None = None  # whose body runs on the event loop now
        self._before_turn: Any = None
        self._states: dict[str, Any] = {}  # of chance, for each body on the event loop
        self._began: dict[str, datetime] = {}  # when bodies began in this run
        self._first_began: dict[tuple[str, str, int], datetime] = {}  # and when in the first run: they find that again
        self._shown: dict[str, datetime] = {}
        self._streams: dict[str, random.Random] = {}
        self._urandom = os.urandom
        self._lock = threading.RLock()
        self.still = ""

    def __enter__(self) -> Self:
        with ExitStack() as so_far:
            self._process = Process()
            so_far.callback(self._process.restore)
            self._globals.begin_with(before_any_run)
            so_far.callback(self._globals.restore)
            self._draw_bytes(so_far)
            self._hold_the_clock(so_far)
            self._at_the_end = so_far.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._wall = None
        self._at_the_end.close()

    def _draw_bytes(self, at_the_end: ExitStack) -> None:
        self._urandom = os.urandom
        for module, name in ((os, "urandom"), (random, "_urandom")):  # the second is what SystemRandom draws from
            if isinstance(source := getattr(module, name, None), BuiltinFunctionType):
                at_the_end.callback(setattr, module, name, source)
                setattr(module, name, self._bytes)

    def _hold_the_clock(self, at_the_end: ExitStack) -> None:
        if find_spec("time_machine") is None:
            self.still = "pip install 'powertools-durable[testing]' to have it moved"
        elif _is_held():
            self.still = "the test holds it. Explore without that to have it moved"
        else:
            traveller = import_module("time_machine").travel(0.0, tick=True)
            self._wall = traveller.start()
            at_the_end.callback(traveller.stop)

    def run(self, clock: HasTime, salt: str = "") -> None:
        """Begin a run: all is as it was at the beginning; with *salt*, bodies find other surroundings too."""
        self._clock = clock
        self._salt = salt
        self._invocation = 0
        self._process.restore()
        self._globals.renew()

    def invocation(self, *, cold: bool, changed: Iterable[str] = ()) -> None:
        """Begin an invocation: *cold* in a fresh process, with the variables *changed* if it is not the first."""
        self._invocation += 1
        if cold:
            self._process.restore_environment()
            self._globals.renew()
        if self._invocation > 1:
            for name in changed:
                value = self._process.environment.get(name)
                os.environ[name] = "changed" if value is None else _OTHER.get(value.lower(), f"{value}-changed")
        random.seed(_seed(self._invocation))
        self._turn = None
        self._states.clear()
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
            self._note_when(operation_id)
            self._tell_time(operation_id)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    random.setstate(self._outside_state)
                    self._tell_time()

    # -- bodies on an event loop, which take turns with each other and with the code around them ---------------

    def begin(self, operation_id: str) -> None:
        """Prepare what the body of a step will find on its turns."""
        stream = random.Random(operation_id + self._salt)  # noqa: S311 - repeatable
        with self._lock:
            self._streams[operation_id] = stream
            self._states[operation_id] = stream.getstate()
            self._note_when(operation_id)

    def enter(self, operation_id: str) -> None:
        """Begin a turn of a body, unless it is its turn already."""
        with self._lock:
            if self._turn == operation_id or operation_id not in self._states:
                return
            self.leave()
            self._turn, self._before_turn = operation_id, random.getstate()
            random.setstate(self._states[operation_id])
            self._tell_time(operation_id)

    def leave(self) -> None:
        """End the turn of a body, if it is one's."""
        with self._lock:
            if self._turn is None:
                return
            self._states[self._turn] = random.getstate()
            random.setstate(self._before_turn)
            self._turn = None
            self._tell_time()

    # -- the clock -------------------------------------------------------------------------------------------

    def _note_when(self, operation_id: str) -> None:
        """Note that a body begins: it finds the time of the first run, though a crash has taken some since."""
        if self._clock is not None:
            scope = current_scope()
            key = self._salt, operation_id, (scope.attempt if scope is not None else None) or 0
            self._began[operation_id] = now = self._clock.now()
            self._shown[operation_id] = self._first_began.setdefault(key, now)

    def _tell_time(self, operation_id: str | None = None) -> None:
        """Set the clock to what the code finds now: the body of an operation, or code outside of bodies."""
        if self._wall is None or self._clock is None:
            return
        now = self._clock.now()
        if operation_id is not None and operation_id in self._began:
            # Whole seconds: with several tasks each response takes a millisecond, and a crash repeats requests.
            lasted = timedelta(seconds=(now - self._began[operation_id]) // timedelta(seconds=1))
            moment = self._shown[operation_id] + lasted + _LATER[bool(self._salt)]
        else:
            moment = now + _LATER[bool(self._salt) if self._inside else (self._invocation - 1) % len(_LATER)]
        self._wall.move_to(moment.timestamp())  # a datetime would set the process's time zone

    # -- chance ----------------------------------------------------------------------------------------------

    def _bytes(self, size: int, /) -> bytes:
        """Stand in for ``os.urandom``: in a step's body the same in each run, elsewhere in each invocation."""
        scope = current_scope()
        if scope is None:
            return self._urandom(size)
        return self._streams[scope.operation_id or "" if scope.step is not None else ""].randbytes(size)


def _is_held() -> bool:
    """Tell whether somebody holds the clock already: time-machine, freezegun, or a patch of their kind."""
    machine = import_module("time_machine")
    return (
        bool(machine.escape_hatch.is_travelling())
        or not isinstance(time.time, BuiltinFunctionType)
        or datetime.__module__ != "datetime"
        or sys.modules["datetime"].datetime is not datetime
    )
