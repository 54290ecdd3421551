"""What is wrong with a call, and the folder that its paths are seen from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["UsageError", "absolute", "begun_here", "here"]

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
    """Return *text* with paths as they are seen from the folder in which the command began."""
    return text.replace(f"{_began_in[0]}{os.sep}", "") if _began_in else text
