"""Gives each handler the modules of its own folder: two services may each have a ``models.py`` beside their handler.

In Lambda each function has its own process and folder. Here they share a process, so while a handler is imported or
runs, ``sys.path`` and ``sys.modules`` contain the modules of its folder, and those of the other handlers are removed.
Modules outside these folders, such as installed packages, are shared.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["ModuleFolders", "same_named_modules"]

_NEVER_IMPORTED = {"__init__", "__main__", "conftest", "setup"}


class ModuleFolders:
    """The folders of several handlers; imports find the modules of those that are open.

    Parameters
    ----------
    groups : Iterable[Iterable[Path]]
        The folders of each handler.
    """

    def __init__(self, groups: Iterable[Iterable[Path]]) -> None:
        self._all = {str(folder) for group in groups for folder in group} - set(sys.path)
        self._open: set[str] = set()
        self._aside: dict[str, dict[str, ModuleType]] = {}

    def open(self, folders: Iterable[Path]) -> None:
        """Let imports find the modules of *folders*, and none of the other handlers'.

        The first one is searched first. The others are searched last: a file in a package may have the name of any
        module.
        """
        first, *rest = map(str, folders)
        wanted = {first, *rest}
        closing = self._open - wanted
        if closing:
            homes = {name: _folder_of(module) for name, module in list(sys.modules.items()) if "." not in name}
            for name in list(sys.modules):
                folder = homes.get(name.partition(".")[0])
                if folder in closing:
                    self._aside.setdefault(folder, {})[name] = sys.modules.pop(name)
        for folder in wanted - self._open:
            sys.modules.update(self._aside.pop(folder, {}))
        self._open = wanted
        kept = [entry for entry in sys.path if entry not in self._all]
        before = [first] if kept[:1] != [first] else []
        sys.path[:] = [*before, *kept, *(folder for folder in rest if folder not in kept)]

    def runs_in(self, folders: Iterable[Path], home: Iterable[Path], handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return *handler* wrapped: *folders* are open while it runs, and *home* afterwards."""

        @functools.wraps(handler)
        def run(*arguments: Any, **named: Any) -> Any:
            self.open(folders)
            try:
                return handler(*arguments, **named)
            finally:
                self.open(home)

        return run


def _folder_of(module: object) -> str | None:
    """Return the folder that contains a top-level module or package. Reads its ``__dict__``: that runs no code."""
    known = getattr(module, "__dict__", {})
    paths = known.get("__path__")
    file = known.get("__file__")
    if paths is not None:
        file = next(iter(paths), None)
    return str(Path(file).parent) if isinstance(file, str) else None


def same_named_modules(groups: Iterable[Iterable[Path]]) -> Iterator[tuple[Path, Path]]:
    """Yield pairs of files or packages that have the same name in folders of different handlers."""
    for one, other in combinations(dict.fromkeys(tuple(group) for group in groups), 2):
        for folder in sorted(set(one) - set(other)):
            for another in sorted(set(other) - set(one)):
                names, others = _modules_in(folder), _modules_in(another)
                yield from ((names[name], others[name]) for name in sorted(names.keys() & others.keys()))


def _modules_in(folder: Path) -> dict[str, Path]:
    files = {path.stem: path for path in folder.glob("*.py")}
    packages = {path.parent.name: path.parent for path in folder.glob("*/__init__.py")}
    modules = files | packages
    return {name: path for name, path in modules.items() if name not in _NEVER_IMPORTED and not name.startswith("test")}
