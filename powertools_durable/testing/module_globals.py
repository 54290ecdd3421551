"""The module globals of the code under test, as its import made them: a fresh sandbox has no others."""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import sysconfig
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["Globals", "is_ours", "is_users"]

_SCALARS = (str, bytes, int, float, complex, bool, type(None))
_CONTAINERS = (dict, list, set, deque, bytearray, defaultdict, OrderedDict, Counter)
_PACKAGE = __name__.partition(".")[0]
_FOREIGN = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_OWN = str(Path(__file__).resolve().parents[1])


def is_users(file: str) -> bool:
    """Tell whether *file* is the user's: not Python's, not of an installed package, not of this one."""
    return not file.startswith(("<", *_FOREIGN, _OWN))


def is_ours(file: str) -> bool:
    """Tell whether *file* is of this package."""
    return file.startswith(_OWN)


class Globals:
    """Plain data in the globals of the user's modules: numbers, texts, lists, dicts, sets.

    Objects of classes are left alone: they may be fakes of the world outside, which no crash makes forget. What an
    import makes of a name is read from the source where that is a literal; other tests may have changed it since.

    Parameters
    ----------
    handler : Callable
        Where to start; modules that its module imports are looked at too, if they are the user's.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._restores: list[Callable[[], None]] = []
        self._caches: list[Callable[[], None]] = []
        for module in _modules(handler):
            self._remember(module)

    def restore(self) -> None:
        """Make all of it as it was."""
        for restore in self._restores:
            restore()
        for clear in self._caches:
            clear()

    def _remember(self, module: ModuleType) -> None:
        namespace = vars(module)
        written = _Written(module)
        for name, value in list(namespace.items()):
            if name.startswith("__"):
                continue
            if isinstance(value, _SCALARS):
                self._restores.append(partial(namespace.__setitem__, name, written.values.get(name, value)))
            elif _is_plain(value):
                saved = written.values.get(name, value)
                self._restores.append(partial(_refill, namespace, name, value, copy.deepcopy(saved)))
            elif callable(getattr(value, "cache_clear", None)):
                self._caches.append(value.cache_clear)
            elif type(function := inspect.unwrap(value) if callable(value) else None) is FunctionType:
                self._remember_defaults(function, written.defaults.get(function.__name__, {}))
            elif inspect.isclass(value) and value.__module__ == module.__name__:
                self._remember_attributes(value)

    def _remember_defaults(self, function: FunctionType, written: Mapping[str, Any]) -> None:
        for name, parameter in inspect.signature(function).parameters.items():
            value = parameter.default
            if isinstance(value, _CONTAINERS) and _is_plain(value):
                self._restores.append(partial(_refill_value, value, copy.deepcopy(written.get(name, value))))

    def _remember_attributes(self, cls: type) -> None:
        for name, value in vars(cls).items():
            if not name.startswith("_") and isinstance(value, (*_SCALARS, *_CONTAINERS)) and _is_plain(value):
                if isinstance(value, _CONTAINERS):
                    self._restores.append(partial(_refill_value, value, copy.deepcopy(value)))
                elif not hasattr(cls, "__members__"):  # an enum's are constant
                    self._restores.append(partial(setattr, cls, name, value))


class _Written:
    """What a module's source says of its names, and of the defaults of its functions, where it says it in literals."""

    def __init__(self, module: ModuleType) -> None:
        self.values: dict[str, Any] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        try:
            body = ast.parse(inspect.getsource(module)).body
        except (OSError, SyntaxError, TypeError):
            return
        for node in body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    self.values.pop(name, None)
                    self.values.update(_literals({name: value}))
                case ast.FunctionDef(name=name, args=arguments):
                    several = [*arguments.posonlyargs, *arguments.args]
                    pairs = [
                        *zip(several[len(several) - len(arguments.defaults) :], arguments.defaults, strict=True),
                        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
                    ]
                    self.defaults[name] = _literals({one.arg: value for one, value in pairs if value is not None})
                case ast.ClassDef():
                    pass
                case _:  # a name that is changed in an if, a loop, by += ...
                    for one in ast.walk(node):
                        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                            self.values.pop(one.id, None)


def _literals(nodes: Mapping[str, ast.expr]) -> dict[str, Any]:
    values = {}
    for name, node in nodes.items():
        match node:
            case ast.Call(func=ast.Name(id="dict" | "list" | "set" as kind), args=[], keywords=[]):
                values[name] = {"dict": dict, "list": list, "set": set}[kind]()
            case _:
                with suppress(ValueError, TypeError, RecursionError):
                    values[name] = ast.literal_eval(node)
    return values


def _modules(handler: Callable[..., Any]) -> Iterator[ModuleType]:
    """Yield the module of *handler*, and the user's modules that it imports."""
    first = sys.modules.get(inspect.unwrap(handler).__module__)
    waiting = [first] if first is not None else []
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module.__name__ in seen or not is_users(getattr(module, "__file__", None) or "<"):
            continue
        seen.add(module.__name__)
        yield module
        for value in list(vars(module).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and name not in seen and name in sys.modules and not name.startswith(_PACKAGE):
                waiting.append(sys.modules[name])


def _is_plain(value: object, depth: int = 6) -> bool:
    if isinstance(value, _SCALARS):
        return True
    if depth == 0:
        return False
    if isinstance(value, dict):
        return all(_is_plain(key, depth - 1) and _is_plain(item, depth - 1) for key, item in value.items())
    if isinstance(value, (*_CONTAINERS, tuple, frozenset)):
        return all(_is_plain(item, depth - 1) for item in value)
    return False


def _refill(namespace: dict[str, Any], name: str, value: Any, saved: Any) -> None:
    namespace[name] = value
    _refill_value(value, saved)


def _refill_value(value: Any, saved: Any) -> None:
    """Put into *value*, in place, what it held: others may hold it too."""
    fresh = copy.deepcopy(saved)
    match value:
        case dict() | set():
            value.clear()
            value.update(fresh)
        case list() | bytearray():
            value[:] = fresh
        case deque():
            value.clear()
            value.extend(fresh)
        case _:
            pass
