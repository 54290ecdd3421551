"""Finds the handler that ``module:handler`` or ``path.py:handler`` names.

Every name is resolved before any handler's module is imported, because that may change the folder. Which modules an
import sees: `module_folders.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from powertools_durable._hosting import durable_inside
from powertools_durable.cli.module_folders import ModuleFolders, shared_names
from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.errors.places import users_location

__all__ = ["ResolvedTarget", "load_target", "load_targets", "resolve_target", "resolve_targets"]

Handler = Callable[..., Any]

_loaded: dict[str, ModuleType] = {}  # modules that this file made of files, which it may make again


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """A handler's name, as it is found from any folder.

    Attributes
    ----------
    where : str
        The module or path as it was typed.
    handler : str
        The function's name.
    module : str
        The dotted name that the module is imported by.
    folders : tuple[Path, ...]
        Where its imports are looked for: first the folder of *module*, and for a file in a package its own one too.
    file : Path | None
        The module's file, if the target is a path.
    text : str
        The target as another process finds it.
    """

    where: str
    handler: str
    module: str
    folders: tuple[Path, ...]
    file: Path | None
    text: str


def resolve_targets(targets: Mapping[str, str]) -> dict[str, ResolvedTarget]:
    """Return the targets resolved, by the names they are invoked by; see `resolve_target`."""
    return {name: resolve_target(text) for name, text in targets.items()}


def resolve_target(text: str) -> ResolvedTarget:
    """Say where a handler is, without importing anything of the user's.

    Raises
    ------
    UsageError
        It names no handler, there is no such file, or it is named like a module of Python's own.
    """
    where, colon, handler = text.rpartition(":")
    if not colon or not where or not handler.isidentifier():
        raise UsageError(f"{text!r} names no handler; say package.module:handler or path.py:handler")
    if where.endswith(".py") or "/" in where or "\\" in where:
        found = _of_file(where, handler)
    else:
        folder = absolute(".")
        file = _file_of(where, folder)
        settled = f"{file}:{handler}" if file is not None else text
        found = ResolvedTarget(where, handler, where, (folder,), None, settled)
    top = found.module.partition(".")[0]
    if top in sys.stdlib_module_names:
        raise UsageError(
            f"{where} would be imported as {found.module!r}, but {top!r} is a module of Python's own, which it would "
            "replace: give it another name"
        )
    return found


def _of_file(where: str, handler: str) -> ResolvedTarget:
    path = absolute(where)
    if not path.is_file():
        raise UsageError(f"there is no file {where}")
    path = path.resolve()
    folder, names = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (folder / "__init__.py").is_file() and folder.name:  # a package: what is above it is looked in
        names.insert(0, folder.name)
        folder = folder.parent
    folders = (folder,) if folder == path.parent else (folder, path.parent)
    return ResolvedTarget(where, handler, ".".join(names), folders, path, f"{path}:{handler}")


def _file_of(module: str, folder: Path) -> Path | None:
    """Return the file of a dotted name below *folder*, if a path to it says the same name; None otherwise."""
    *packages, name = module.split(".")
    if (folder / "__init__.py").is_file():
        return None
    for package in packages:
        folder /= package
        if not (folder / "__init__.py").is_file():
            return None
    path = folder / f"{name}.py"
    return path if path.is_file() and not (folder / name / "__init__.py").is_file() else None


# -- importing -------------------------------------------------------------------------------------------------


def load_target(target: ResolvedTarget, *, durable: bool = True) -> Handler:
    """Import one target; see `load_targets`."""
    ModuleFolders([target.folders]).open(target.folders)
    return _handler(_imported(target), target, durable=durable)


def load_targets(targets: Mapping[str, ResolvedTarget], *, side_by_side: bool = True) -> dict[str, Handler]:
    """Import the handlers, each among the modules of its own folder, and have them run there.

    Parameters
    ----------
    targets : Mapping[str, ResolvedTarget]
        By the names they are invoked by; the execution's own, ``""``, must be durable.
    side_by_side : bool
        Modules of one name in different folders may be there at once, each seen by its own handler. False refuses
        them.

    Raises
    ------
    UsageError
        There is no such module or handler, importing it fails, it is not durable, or two modules have one name.
    """
    folders = ModuleFolders([target.folders for target in targets.values()])
    if not side_by_side:
        _refuse_shared_names(targets.values())
    modules: dict[object, ModuleType] = {}
    handlers = {}
    for name, target in targets.items():
        folders.open(target.folders)
        key = target.file or (target.folders, target.module)
        if key not in modules:
            modules[key] = _imported(target)
        handlers[name] = _handler(modules[key], target, durable=name == "")
    if not side_by_side:
        folders.open({folder: None for target in targets.values() for folder in target.folders})
        return handlers
    home = targets[""].folders
    folders.open(home)
    return {
        name: handler if targets[name].folders == home else folders.runs_in(targets[name].folders, home, handler)
        for name, handler in handlers.items()
    }


def _refuse_shared_names(targets: Iterable[ResolvedTarget]) -> None:
    for one, other in shared_names([target.folders for target in targets]):
        raise UsageError(
            f"{one} and {other} have one name, and this command runs both in one process: rename one of them, or "
            "make them parts of packages"
        )


def _handler(module: ModuleType, target: ResolvedTarget, *, durable: bool) -> Handler:
    handler: object = getattr(module, target.handler, None)
    if callable(handler) and (not durable or durable_inside(handler) is not None):
        return handler
    others = [key for key, value in vars(module).items() if durable_inside(value) is not None]
    hint = f"durable there: {', '.join(others)}" if others else "put @durable above the function"
    if handler is None:
        raise UsageError(f"{target.where} has no {target.handler!r}; {hint}")
    kind = type(handler).__name__
    raise UsageError(f"{target.handler!r} in {target.where} is not durable, it is a {kind}; {hint}")


def _imported(target: ResolvedTarget) -> ModuleType:
    try:
        return _from_file(target, target.file) if target.file is not None else importlib.import_module(target.module)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module may raise
        location = users_location(error)
        place = f" ({location})" if location else ""
        name = f" as {target.module}" if "." in target.module and target.module != target.where else ""
        message = f"importing {target.where}{name} failed: {type(error).__name__}: {error}{place}"
    raise UsageError(message)


def _from_file(target: ResolvedTarget, path: Path) -> ModuleType:
    name = target.module
    known = sys.modules.get(name)
    file = getattr(known, "__file__", None)
    if known is not None and known is not _loaded.get(name) and (file is None or Path(file).resolve() != path):
        raise UsageError(
            f"{target.where} would be imported as {name!r}, which is {file or 'another module'} in this process: "
            "give it another name"
        )
    if "." in name or path.stem == "__init__":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = _loaded[name] = module  # where pydantic looks for the names in annotations
    spec.loader.exec_module(module)
    return module
