"""Ctrl-C while an execution runs: the answer comes at once, and a second one ends the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from powertools_durable.cli.main import INTERRUPTED

__all__ = ["Interrupt", "answering_interrupts"]

_CLEANING_UP = 2.0  # seconds that bodies get for their `finally` and `with`; some wait there for work that runs on


class Interrupt:
    """What has become of Ctrl-C.

    Attributes
    ----------
    pressed : bool
        It was pressed, or `press` was called.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._thread: int | None = None

    def press(self) -> None:
        """Do what Ctrl-C does, from any thread. Nothing where the process ignores it, or this one can't hear it."""
        if self._thread is None or self.pressed:
            return
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._thread, signal.SIGINT)  # what the main thread waits at is left for a signal only
        else:
            signal.raise_signal(signal.SIGINT)

    def check(self) -> None:
        """Raise again what code of the user's may have swallowed.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C was pressed.
        """
        if self.pressed:
            raise KeyboardInterrupt


@contextmanager
def answering_interrupts(say: Callable[[], None]) -> Iterator[Interrupt]:
    """In the block, the first Ctrl-C calls *say* and raises `KeyboardInterrupt`; the second ends the process.

    *say* is called in the midst of whatever the main thread does, so that a body which catches `KeyboardInterrupt`
    can't delay it. A block that has not ended two seconds later is left as it is, with the process.
    """
    interrupt = Interrupt()
    here = threading.current_thread()
    before = signal.getsignal(signal.SIGINT)
    if here is not threading.main_thread() or before in {signal.SIG_IGN, None}:
        yield interrupt
        return

    def press(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        interrupt.pressed = True
        say()
        last.start()
        raise KeyboardInterrupt

    last = threading.Timer(_CLEANING_UP, _end)
    last.daemon = True
    interrupt._thread = here.ident  # noqa: SLF001 - of the same module
    signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        last.cancel()
        interrupt._thread = None  # noqa: SLF001
        signal.signal(signal.SIGINT, before)


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(INTERRUPTED)
