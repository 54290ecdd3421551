"""What simulated runs have left in module globals, so that `explore` begins with what a fresh process has.

A test's setup changes globals too, and that must stay. So the changes of each run are noted, and the value from before
the run is taken only where what the run left is still there. Of a dict or a set this is decided item by item.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from powertools_durable.testing.crash_testing.module_globals import Globals, Key, Place, copied, packed

__all__ = ["before_any_run", "noting"]

_ABSENT = object()
_WHOLE = object()  # in place of an item's key: the value is no dict and no set

# By place and item, packed: what the first of several runs found there, and what the last one left.
_changes: dict[Key, dict[Any, tuple[Any, Any]]] = {}
_lock = threading.Lock()


@contextmanager
def noting(modules: list[ModuleType]) -> Iterator[None]:
    """Note what the code in this block changes in *modules*."""
    before = Globals(modules)
    try:
        yield
    finally:
        for place, found in before.changed():
            _note(place.key, copied(found), place.value)


def _note(key: Key, found: Any, left: Any) -> None:
    with _lock:
        known = _changes.setdefault(key, {})
        as_whole = type(found) is not type(left) or (_WHOLE in known and known[_WHOLE][1] == packed(found))
        one, other = _items(found, as_whole=as_whole), _items(left, as_whole=as_whole)
        for item in {**one, **other}:
            before, after = packed(one.get(item, _ABSENT)), packed(other.get(item, _ABSENT))
            if before != after:
                origin, last = known.get(item, (before, before))
                known[item] = (origin if last == before else before, after)


def before_any_run(place: Place) -> Any:
    """Return what *place* holds, with the value from before the runs wherever it still is what they left."""
    with _lock:
        changes = dict(_changes.get(place.key, ()))
    value = place.value
    if not changes:
        return value
    whole = changes.pop(_WHOLE, None)
    if whole is not None and packed(value) == whole[1]:
        return copied(whole[0])
    items = _items(value, as_whole=False)
    items = {item: part for item, part in {**items, **_undone(items, changes)}.items() if part is not _ABSENT}
    return set(items) if type(value) is set else items if type(value) is dict else value


def _undone(items: Mapping[Any, Any], changes: Mapping[Any, tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the items that are as a run left them, as they were before."""
    return {
        item: copied(origin) for item, (origin, left) in changes.items() if packed(items.get(item, _ABSENT)) == left
    }


def _items(value: Any, *, as_whole: bool) -> dict[Any, Any]:
    if type(value) is dict and not as_whole:
        return value
    if type(value) is set and not as_whole:
        return dict.fromkeys(value, True)
    return {_WHOLE: value}
