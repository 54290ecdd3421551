"""Ctrl-C while an execution runs: the first one is answered at once, the second one ends the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from powertools_durable.cli.main import INTERRUPTED

__all__ = ["Interrupt", "handle_interrupts"]

_CLEANUP_SECONDS = 2.0  # seconds for `finally` and `with` blocks of the handler, some of which wait for threads


class Interrupt:
    """Whether Ctrl-C was pressed.

    Attributes
    ----------
    pressed : bool
        True after Ctrl-C, and after `press`.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._thread: int | None = None

    def press(self) -> None:
        """Do what Ctrl-C does, from any thread; nothing if the process ignores it."""
        if self._thread is None or self.pressed:
            return
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._thread, signal.SIGINT)  # ends a blocking wait of the main thread
        else:
            signal.raise_signal(signal.SIGINT)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` again, in case the user's code caught it.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C was pressed.
        """
        if self.pressed:
            raise KeyboardInterrupt


@contextmanager
def handle_interrupts(on_first: Callable[[], None]) -> Iterator[Interrupt]:
    """In the block, the first Ctrl-C calls *on_first* and raises `KeyboardInterrupt`; the second ends the process.

    *on_first* is called in the signal handler, so code that catches `KeyboardInterrupt` can't delay it. If the block
    has not ended two seconds later, the process ends.
    """
    interrupt = Interrupt()
    thread = threading.current_thread()
    before = signal.getsignal(signal.SIGINT)
    if thread is not threading.main_thread() or before in {signal.SIG_IGN, None}:
        yield interrupt
        return

    def press(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        interrupt.pressed = True
        on_first()
        deadline.start()
        raise KeyboardInterrupt

    deadline = threading.Timer(_CLEANUP_SECONDS, _end_process)
    deadline.daemon = True
    interrupt._thread = thread.ident  # noqa: SLF001 - same module
    signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        deadline.cancel()
        interrupt._thread = None  # noqa: SLF001
        signal.signal(signal.SIGINT, before)


def _end_process() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(INTERRUPTED)
