"""What is wrong with a call, the folder that its paths are seen from, and the command as people type it again."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["UsageError", "absolute", "begun_here", "here", "our_command"]

_NAME = "powertools-durable"
_PACKAGE = __name__.partition(".")[0]
_began_in: list[Path] = []  # one of a process, and the same on each of its threads


class UsageError(Exception):
    """The command can't be carried out as it was typed."""


@contextmanager
def begun_here() -> Iterator[None]:
    """Remember the current folder: a handler's module may change it."""
    before = _began_in[:]
    with suppress(FileNotFoundError):  # it was removed
        _began_in[:] = [Path.cwd()]
    try:
        yield
    finally:
        _began_in[:] = before


def absolute(path: str | Path) -> Path:
    """Return *path* so that it stays the same whatever folder a handler's module changes to.

    ``~`` is the home folder, also where the shell leaves it as it is (``--event @~/event.json``).

    Raises
    ------
    UsageError
        There is no such home folder, or the current folder was removed.
    """
    try:
        found = Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: there is no such home folder; write the whole path") from None
    try:
        return found if found.is_absolute() else (_began_in[0] if _began_in else Path.cwd()) / found
    except FileNotFoundError:
        raise UsageError(f"{path}: the current folder was removed; go to another one") from None


def here(text: str) -> str:
    """Return *text* with paths as they are seen from the folder in which the command began.

    A command of ours that the library names in it is written as it was started.
    """
    text = text.replace(f"`{_NAME} ", f"`{our_command('')}")
    return text.replace(f"{_began_in[0]}{os.sep}", "") if _began_in else text


def our_command(words: str) -> str:
    """Return a line that starts this command with *words*, to be pasted: in the form in which this process was started.

    Where it was started as ``python -m powertools_durable``, the console script may be missing, or of another
    environment.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name != f"{_PACKAGE}.__main__":
        return f"{_NAME} {words}"
    return f"{shlex.join([sys.orig_argv[0], '-m', _PACKAGE])} {words}"
