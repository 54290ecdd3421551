"""Errors of usage, paths relative to the folder in which the command started, and commands to be pasted."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["UsageError", "absolute", "command_line", "remember_folder", "shorten_paths"]

_NAME = "powertools-durable"
_PACKAGE = __name__.partition(".")[0]
_start_folder: list[Path] = []  # empty, or one: of the process, and so the same on each of its threads


class UsageError(Exception):
    """The command can't run with these arguments; the message is one line for its user."""


@contextmanager
def remember_folder() -> Iterator[None]:
    """Remember the current folder while the command runs: a handler's module may change it."""
    before = _start_folder[:]
    with suppress(FileNotFoundError):  # it was removed
        _start_folder[:] = [Path.cwd()]
    try:
        yield
    finally:
        _start_folder[:] = before


def absolute(path: str | Path) -> Path:
    """Return *path* made absolute from the folder in which the command started.

    ``~`` is the home folder, also where the shell does not expand it (``--event @~/event.json``).

    Raises
    ------
    UsageError
        There is no such home folder, or the current folder was removed.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: there is no such home folder; write the full path") from None
    try:
        return expanded if expanded.is_absolute() else (_start_folder[0] if _start_folder else Path.cwd()) / expanded
    except FileNotFoundError:
        raise UsageError(f"{path}: the current folder was removed; go to another one") from None


def shorten_paths(text: str) -> str:
    """Return a message with paths relative to the folder in which the command started.

    Where the message names a command in backticks, it gets the form in which this process was started.
    """
    text = text.replace(f"`{_NAME} ", f"`{command_line('')}")
    return text.replace(f"{_start_folder[0]}{os.sep}", "") if _start_folder else text


def command_line(arguments: str) -> str:
    """Return a command line to be pasted: *arguments* after the program, in the form in which this process was started.

    If it was started as ``python -m powertools_durable``, the console script may be missing or belong to another
    environment.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name != f"{_PACKAGE}.__main__":
        return f"{_NAME} {arguments}"
    return f"{shlex.join([sys.orig_argv[0], '-m', _PACKAGE])} {arguments}"
