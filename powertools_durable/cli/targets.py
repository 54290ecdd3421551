"""Finds the handler that ``module:handler`` or ``path.py:handler`` names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from powertools_durable.decorator import durable_inside

__all__ = ["UsageError", "load_target", "settled_target"]

Handler = Callable[..., Any]


class UsageError(Exception):
    """The command can't be carried out as it was typed."""


def settled_target(target: str) -> str:
    """Return *target* so that it is found from any folder, if it is a path."""
    where, name = _split(target)
    return f"{Path(where).resolve()}:{name}" if _is_path(where) else target


def load_target(target: str, *, durable: bool = True) -> Handler:
    """Import the module and return its handler.

    Parameters
    ----------
    target : str
        ``package.module:handler``, looked for in the current folder too, or ``path.py:handler``.
    durable : bool
        Refuse what is not durable.

    Raises
    ------
    UsageError
        There is no such file, module or handler, importing it fails, or it is not durable.
    """
    where, name = _split(target)
    module = _imported(where, lambda: _from_file(Path(where)) if _is_path(where) else _from_name(where))
    handler: object = getattr(module, name, None)
    if callable(handler) and (not durable or durable_inside(handler) is not None):
        return handler
    others = [key for key, value in vars(module).items() if durable_inside(value) is not None]
    hint = f"durable there: {', '.join(others)}" if others else "put @durable above the function"
    if handler is None:
        raise UsageError(f"{where} has no {name!r}; {hint}")
    raise UsageError(f"{name!r} in {where} is not durable, it is a {type(handler).__name__}; {hint}")


def _split(target: str) -> tuple[str, str]:
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise UsageError(f"{target!r} names no handler; say package.module:handler or path.py:handler")
    return where, name


def _is_path(where: str) -> bool:
    return where.endswith(".py") or "/" in where or "\\" in where


def _imported(where: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module may raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        place = f" ({frames[-1].filename}:{frames[-1].lineno})" if len(frames) > 2 else ""
        raise UsageError(f"importing {where} failed: {type(error).__name__}: {error}{place}") from None


def _from_name(name: str) -> ModuleType:
    _look_in(Path.cwd())
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    path = path.resolve()
    _look_in(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where pydantic looks for the names in annotations
    spec.loader.exec_module(module)
    return module


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
