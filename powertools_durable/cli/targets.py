"""Finds and imports the handler that ``module:handler`` or ``path.py:handler`` names.

All targets are resolved before any module is imported, because a module may change the working directory. Which modules
an import finds: `module_folders.py`.
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
from powertools_durable.cli.module_folders import ModuleFolders, same_named_modules
from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.errors.places import users_location

__all__ = ["ResolvedTarget", "load_target", "load_targets", "resolve_target", "resolve_targets"]

Handler = Callable[..., Any]

_loaded: dict[str, ModuleType] = {}  # modules that `_from_file` made, which it may replace


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """A target with absolute paths.

    Attributes
    ----------
    where : str
        The module or path as the user typed it.
    handler : str
        The function's name.
    module : str
        The dotted name under which the module is imported.
    folders : tuple[Path, ...]
        Where its imports are searched: the folder of the top-level module, then the file's own folder if it differs.
    file : Path | None
        The module's file, if the target is a path.
    text : str
        The target as another process can resolve it.
    """

    where: str
    handler: str
    module: str
    folders: tuple[Path, ...]
    file: Path | None
    text: str


def resolve_targets(targets: Mapping[str, str]) -> dict[str, ResolvedTarget]:
    """Resolve each target, by the name that ``ctx.invoke`` uses; see `resolve_target`."""
    return {name: resolve_target(text) for name, text in targets.items()}


def resolve_target(text: str) -> ResolvedTarget:
    """Return where a handler is, without importing any of the user's modules.

    Raises
    ------
    UsageError
        It does not name a handler, the file does not exist, or it has the name of a standard library module.
    """
    where, colon, handler = text.rpartition(":")
    if not colon or not where or not handler.isidentifier():
        raise UsageError(f"{text!r} does not name a handler; write package.module:handler or path.py:handler")
    if where.endswith(".py") or "/" in where or "\\" in where:
        target = _target_of_file(where, handler)
    else:
        folder = absolute(".")
        file = _file_of(where, folder)
        absolute_text = f"{file}:{handler}" if file is not None else text
        target = ResolvedTarget(where, handler, where, (folder,), None, absolute_text)
    top = target.module.partition(".")[0]
    if top in sys.stdlib_module_names:
        raise UsageError(
            f"{where} would be imported as {target.module!r} and hide Python's standard module {top!r}: rename it"
        )
    return target


def _target_of_file(where: str, handler: str) -> ResolvedTarget:
    path = absolute(where)
    if not path.is_file():
        raise UsageError(f"there is no file {where}")
    path = path.resolve()
    folder, names = path.parent, [] if path.stem == "__init__" else [path.stem]
    while (folder / "__init__.py").is_file() and folder.name:  # a package is imported from the folder that contains it
        names.insert(0, folder.name)
        folder = folder.parent
    folders = (folder,) if folder == path.parent else (folder, path.parent)
    return ResolvedTarget(where, handler, ".".join(names), folders, path, f"{path}:{handler}")


def _file_of(module: str, folder: Path) -> Path | None:
    """Return the file of a dotted name below *folder*, if importing that file gives the same name; otherwise None."""
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
    """Import the handlers, each with the modules of its own folder; each also runs with those.

    Parameters
    ----------
    targets : Mapping[str, ResolvedTarget]
        By the names that ``ctx.invoke`` uses. The execution's own handler, ``""``, must be durable.
    side_by_side : bool
        Allow modules with the same name in different folders, each found by its own handler. False refuses them.

    Raises
    ------
    UsageError
        A module or handler is missing, its import fails, it is not durable, or two modules have the same name.
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
    for one, other in same_named_modules([target.folders for target in targets]):
        raise UsageError(
            f"{one} and {other} have the same name, and this command imports both into one process: rename one of "
            "them, or move them into packages"
        )


def _handler(module: ModuleType, target: ResolvedTarget, *, durable: bool) -> Handler:
    handler: object = getattr(module, target.handler, None)
    if callable(handler) and (not durable or durable_inside(handler) is not None):
        return handler
    others = [key for key, value in vars(module).items() if durable_inside(value) is not None]
    hint = f"its durable functions: {', '.join(others)}" if others else "put @durable above the function"
    if handler is None:
        raise UsageError(f"{target.where} has no {target.handler!r}; {hint}")
    kind = type(handler).__name__
    raise UsageError(f"{target.handler!r} in {target.where} is not durable, its type is {kind}; {hint}")


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
            f"{target.where} would be imported as {name!r}, but this process has imported {file or 'another module'} "
            "under that name: rename it"
        )
    if "." in name or path.stem == "__init__":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = _loaded[name] = module  # pydantic looks up names of annotations there
    spec.loader.exec_module(module)
    return module
