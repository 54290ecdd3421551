"""Effects that nobody wrote into a ledger: files, connections and processes that code opens outside of steps.

Python tells audit hooks of them. A hook can't be taken away again, so there is one, which listens while an
`Inspector` does and otherwise does nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any

from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.module_globals import is_ours, is_users

__all__ = ["listening"]

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SAYS = {
    "socket.connect": "connects to a host",
    "socket.sendto": "sends to a host",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.mkdir": "makes a folder",
    "os.rmdir": "removes a folder",
    "sqlite3.connect": "opens a database",
}
Hears = Callable[[str, str], object]  # a place, and what is done there
_listener: list[Hears] = []


@contextmanager
def listening(hears: Hears) -> Iterator[None]:
    """Tell *hears* of each such effect of the user's code outside of steps."""
    _install()
    _listener.append(hears)
    try:
        yield
    finally:
        _listener.remove(hears)


@cache
def _install() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _listener:
        return
    does = "writes a file" if event == "open" and args[2] is not None and args[2] & _WRITES else _SAYS.get(event)
    if does is None:
        return
    scope = current_scope()
    if scope is None or scope.step is not None or scope.unwinding:
        return
    place = _place(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    if place:
        for hears in _listener:
            hears(place, does)


def _place(frame: FrameType | None) -> str:
    """Return where the user's code asked for it; nothing when it was this package, for example for a trace."""
    while frame is not None and not is_users(frame.f_code.co_filename):
        if is_ours(frame.f_code.co_filename):
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
