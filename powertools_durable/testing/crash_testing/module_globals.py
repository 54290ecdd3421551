"""Plain data in the modules of the code under test: what a fresh process has there, and how that is put back."""

from __future__ import annotations

import copy
import inspect
import marshal
import sys
import sysconfig
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

__all__ = ["Globals", "Key", "Place", "copied", "is_ours", "is_users", "modules_of", "packed"]

_SCALARS = (str, bytes, int, float, complex, bool, type(None))
_CONTAINERS = (dict, list, set, deque, bytearray, defaultdict, OrderedDict, Counter)
_COMPOUNDS = (*_CONTAINERS, tuple, frozenset)
_EXACT = frozenset(_SCALARS)
_PACKAGE = __name__.partition(".")[0]
_FOREIGN = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_OWN = str(Path(__file__).resolve().parents[2])


def is_users(file: str) -> bool:
    """Tell whether *file* is the user's: not Python's, not of an installed package, not of this one."""
    return not file.startswith(("<", *_FOREIGN, _OWN))


def is_ours(file: str) -> bool:
    """Tell whether *file* is of this package."""
    return file.startswith(_OWN)


Key = tuple[str, ...]


class Place(NamedTuple):
    """Where a value is kept: a name in a module, an attribute of its class, a default of its function.

    Attributes
    ----------
    key : tuple[str, ...]
        The module and the name; what lies inside a class or a function has more parts.
    value : object
        What is there now.
    put : Callable | None
        Puts another value there; None for a default, whose value can only be changed in itself.
    """

    key: Key
    value: Any
    put: Callable[[Any], object] | None


class Globals:
    """Plain data in the globals of the user's modules: numbers, texts, lists, dicts, sets.

    Objects of classes are left alone: they may be fakes of the outside world, which no crash makes forget.

    Parameters
    ----------
    modules : list[ModuleType]
        What `modules_of` says.
    """

    def __init__(self, modules: list[ModuleType]) -> None:
        self._modules = modules
        self._names = [set(vars(module)) for module in self._modules]
        self._found = self._look()
        self._fresh = self._found
        self._caches = [value.cache_clear for module in self._modules for value in _caches(module)]

    def begin_with(self, state_of: Callable[[Place], Any]) -> None:
        """Let `renew` put the value *state_of* a place there in place of the one that was found."""
        self._fresh = [(place, packed(state_of(place))) for place, _ in self._found]

    def changed(self) -> Iterator[tuple[Place, Any]]:
        """Yield each place that holds other plain data now, and, packed, what was found there."""
        now = {place.key: (place, data) for place, data in self._look()}
        for place, found in self._found:
            if place.key in now and now[place.key][1] != found:
                yield now[place.key][0], found

    def renew(self) -> None:
        """Make all of it as a fresh process has it."""
        self._put_back(self._fresh)

    def restore(self) -> None:
        """Make all of it as it was found."""
        self._put_back(self._found)

    def _look(self) -> list[tuple[Place, Any]]:
        return [(place, packed(place.value)) for place in _places(self._modules)]

    def _put_back(self, state: list[tuple[Place, Any]]) -> None:
        for module, known in zip(self._modules, self._names, strict=True):
            namespace = vars(module)
            for name in [name for name in namespace if name not in known and not _is_kept(name, namespace[name])]:
                del namespace[name]
        for place, kept in state:
            _put(place, copied(kept))
        for clear in self._caches:
            clear()


def _is_kept(name: str, value: object) -> bool:
    return name.startswith("__") or isinstance(value, ModuleType)  # a submodule is imported once


def _put(place: Place, value: Any) -> None:
    """Put *value* there; where a container of its class was found, into that one, which others may hold too."""
    held = place.value
    if type(held) is not type(value) or not _refill(held, value):
        held = value
    if place.put is not None:
        place.put(held)


def _refill(held: Any, value: Any) -> bool:
    match held:
        case dict() | set():
            held.clear()
            held.update(value)
        case list() | bytearray():
            held[:] = value
        case deque():
            held.clear()
            held.extend(value)
        case _:
            return False
    return True


# -- copies ---------------------------------------------------------------------------------------------------


class _Copy(NamedTuple):
    value: Any


def packed(value: Any) -> Any:
    """Return a copy of plain data that nobody changes; equal data gives equal copies."""
    if type(value) in _EXACT or not isinstance(value, _COMPOUNDS):
        return _Copy(value)
    data: Any = value
    try:
        return marshal.dumps(data, 2)  # without references, which differ between equal values
    except ValueError:
        return _Copy(copy.deepcopy(value))


def copied(kept: Any) -> Any:
    """Return the data of which `packed` made a copy, as a value of its own."""
    if isinstance(kept, _Copy):
        return copy.deepcopy(kept.value) if isinstance(kept.value, _COMPOUNDS) else kept.value
    return marshal.loads(kept)  # noqa: S302 - what `packed` has written a moment ago


# -- what there is --------------------------------------------------------------------------------------------


def _places(modules: list[ModuleType]) -> Iterator[Place]:
    """Yield every place of plain data in *modules*; the commonest kinds of value first, for each run looks twice."""
    for module in modules:
        namespace, here = vars(module), module.__name__
        for name, value in list(namespace.items()):
            kind = type(value)
            if name.startswith("__") or kind is ModuleType:
                continue
            if kind is FunctionType:
                if value.__defaults__ or value.__kwdefaults__ or value.__dict__:
                    yield from _defaults((here, name), value)
            elif isinstance(value, type):
                if value.__module__ == here:
                    yield from _attributes((here, name), value)
            elif kind in _EXACT or _is_plain(value):
                yield Place((here, name), value, partial(namespace.__setitem__, name))
            elif callable(value):
                yield from _defaults((here, name), value)


def _defaults(key: Key, function: Any) -> Iterator[Place]:
    function = inspect.unwrap(function)
    if type(function) is not FunctionType:
        return
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    pairs = [*zip(names[len(names) - len(defaults) :], defaults, strict=True), *(function.__kwdefaults__ or {}).items()]
    for name, value in pairs:
        if isinstance(value, _CONTAINERS) and _is_plain(value):
            yield Place((*key, f"{name}="), value, None)


def _attributes(key: Key, cls: type) -> Iterator[Place]:
    for name, value in list(vars(cls).items()):
        if name.startswith("_") or not _is_plain(value):
            continue
        if isinstance(value, _CONTAINERS) or not hasattr(cls, "__members__"):  # an enum's are constant
            yield Place((*key, name), value, partial(setattr, cls, name))


def _caches(module: ModuleType) -> Iterator[Any]:
    for name, value in list(vars(module).items()):
        if not name.startswith("__") and callable(getattr(value, "cache_clear", None)):
            yield value


def modules_of(*handlers: Callable[..., Any]) -> list[ModuleType]:
    """Return the modules of *handlers*, and the user's modules that they import."""
    found: list[ModuleType] = []
    first = [sys.modules.get(getattr(inspect.unwrap(handler), "__module__", None) or "") for handler in handlers]
    waiting = [module for module in first if module is not None]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module.__name__ in seen or not is_users(getattr(module, "__file__", None) or "<"):
            continue
        seen.add(module.__name__)
        found.append(module)
        for value in list(vars(module).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and name not in seen and name in sys.modules and not name.startswith(_PACKAGE):
                waiting.append(sys.modules[name])
    return found


def _is_plain(value: object, depth: int = 6) -> bool:
    if isinstance(value, _SCALARS):
        return True
    if depth == 0:
        return False
    if isinstance(value, dict):
        return all(_is_plain(key, depth - 1) and _is_plain(item, depth - 1) for key, item in value.items())
    if isinstance(value, _COMPOUNDS):
        return all(_is_plain(item, depth - 1) for item in value)
    return False
