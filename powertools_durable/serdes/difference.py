"""Looks for the first place where what was read back is not what was written.

Loaded only when two values do not compare equal, or are not of one class: this is the slow half of a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from powertools_durable._frozen import frozen
from powertools_durable._protocol.genuine import GENUINE
from powertools_durable.batch import BatchResult
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.paths import (
    MISSING,
    ROOT,
    Path,
    by_field,
    by_index,
    by_key,
    field_names,
    shown,
)

__all__ = ["Difference", "first_difference"]

_BUILT_IN = {"builtins", "datetime", "decimal", "uuid"}


@frozen
class Difference:
    """Where two values differ.

    Attributes
    ----------
    path : tuple
        The way to the place.
    was, came_back : object
        What is there; `MISSING` for nothing. Messages name their classes only.
    """

    path: Path
    was: object
    came_back: object

    def __str__(self) -> str:
        return self.described()

    def described(self, names: frozenset[str] = frozenset()) -> str:
        """Say it; keys of dicts are shown if they are among *names*."""
        was, came_back = class_name(self.was), class_name(self.came_back)
        place = shown(self.path, names)
        if self.came_back is MISSING:
            return f"{place} was {was} and did not come back"
        if self.was is MISSING:
            return f"{place} was not there and came back as {came_back}"
        return f"{place} was {was} and came back as {'another one' if was == came_back else came_back}"


def first_difference(
    value: object, seen: object, same_text: Callable[[], bool], *, apart_from: Callable[[Path], bool] | None = None
) -> Difference | None:
    """Return the first place where *seen* is not *value*; None when they count as equal.

    Parameters
    ----------
    value, seen : object
        What was written, and what was read back.
    same_text : Callable
        Tells whether *seen* is written as *value* was: that decides for what can't be compared.
    apart_from : Callable | None
        Tells of a path whether it may differ there.
    """
    search = _Search(same_text, apart_from)
    try:
        return search.compare(value, seen, ROOT)
    except RecursionError:
        return None if same_text() and type(value) is type(seen) else Difference(ROOT, value, seen)


class _Search:
    def __init__(self, same_text: Callable[[], bool], apart_from: Callable[[Path], bool] | None) -> None:
        self._write = same_text
        self._apart_from = apart_from
        self._text: bool | None = None
        self._tolerated = 0  # how many times something that is unequal counted as equal

    def compare(self, was: Any, came: Any, path: Path) -> Difference | None:
        if was is came:
            return None
        if self._apart_from is not None and self._apart_from(path):
            self._tolerated += 1
            return None
        return self._compare_at(was, came, path)

    def _compare_at(self, was: Any, came: Any, path: Path) -> Difference | None:
        if bare(type(was)) is not bare(type(came)) and not _comes_back_as(was, came):
            return Difference(path, was, came)
        if isinstance(came, dict):
            return self._mapping(was, came, path)
        if isinstance(came, (list, tuple)):
            return self._sequence(was, came, path)
        if isinstance(came, BatchResult):
            return self._batch(was, came, path)
        equal = _equal(was, came)
        if equal is True:
            return None
        if isinstance(came, (set, frozenset)):
            return self._set(was, came, path)
        if equal is not None and (names := field_names(was)) is not None:
            return self._fields(was, came, path, names)
        if equal is False and self._counts_as_equal(was, came):
            self._tolerated += 1
            return None
        return Difference(path, was, came)

    def _mapping(self, was: Any, came: Any, path: Path) -> Difference | None:
        left = [key for key in came if key not in was]
        for number, key in enumerate(was):
            if key in came:
                found = self.compare(was[key], came[key], by_key(path, key, number))
            else:
                found = self._key(was, came, left, key, by_key(path, key, number))
            if found is not None:
                return found
        return Difference(by_key(path, left[0], len(was)), MISSING, came[left[0]]) if left else None

    def _key(self, was: Any, came: Any, left: list[Any], key: Any, place: Path) -> Difference | None:
        """Compare what stands at a key that is unequal to every other, such as NaN."""
        for twin in left:
            if self.compare(key, twin, place) is None:
                left.remove(twin)
                return self.compare(was[key], came[twin], place)
        return Difference(place, was[key], MISSING)

    def _sequence(self, was: Any, came: Any, path: Path) -> Difference | None:
        fields = getattr(was, "_fields", None) if isinstance(was, tuple) else None
        for index, item in enumerate(was):
            place = by_field(path, fields[index]) if fields else by_index(path, index)
            found = self.compare(item, came[index] if index < len(came) else MISSING, place)
            if found is not None:
                return found
        count = len(was)
        return None if len(came) <= count else Difference(by_index(path, count), MISSING, came[count])

    def _set(self, was: Any, came: Any, path: Path) -> Difference | None:
        left = [item for item in came if item not in was]
        place = (path, "[an element]")
        for item in was:
            if item in came:
                continue
            twin = next((twin for twin in left if self.compare(item, twin, place) is None), MISSING)
            if twin is MISSING:
                return Difference(place, item, MISSING)
            left.remove(twin)
        return Difference(place, MISSING, left[0]) if left else None

    def _batch(self, was: Any, came: Any, path: Path) -> Difference | None:
        """Compare two fan-outs' results, but for the branches' names: no record holds them."""
        if was.completion_reason != came.completion_reason or len(was.items) != len(came.items):
            return Difference(path, was, came)
        for number, (item, other) in enumerate(zip(was.items, came.items, strict=True)):
            place = by_index(path, number)
            if (item.index, item.status) != (other.index, other.status):
                return Difference(place, item, other)
            found = self.compare(item.result, other.result, by_field(place, "result"))
            if found is not None:
                return found
        return None

    def _fields(self, was: Any, came: Any, path: Path, names: list[str]) -> Difference | None:
        before = self._tolerated
        for name in names:
            place = by_field(path, name)
            found = self.compare(getattr(was, name, MISSING), getattr(came, name, MISSING), place)
            if found is not None:
                return found
        found = self._mapping(_extra(was), _extra(came), path) or self._private(was, came, path)
        if found is not None:
            return found
        if self._tolerated == before and _compares(type(was)):  # its own == sees a difference that is not in a field
            return Difference(path, was, came)
        return None

    def _private(self, was: Any, came: Any, path: Path) -> Difference | None:
        mine, other = (getattr(one, "__pydantic_private__", None) or {} for one in (was, came))
        for name, value in mine.items():
            if not _compares(type(value)):  # a lock, a client: made anew with the object
                self._tolerated += 1
                continue
            found = self.compare(value, other.get(name, MISSING), by_field(path, name))
            if found is not None:
                return found
        return None

    def _counts_as_equal(self, was: Any, came: Any) -> bool:
        if isinstance(was, datetime):  # in the hour that comes twice no zone's time equals an offset's (PEP 495)
            return bool(was.isoformat() == came.isoformat())
        if isinstance(came, (str, int, float)) and _is_same_builtin(was, came):  # numpy's bool is none
            return True
        if _equal(was, was) is False:  # NaN
            return str(was) == str(came) if isinstance(was, (float, Decimal)) else self._same_text()
        return not _compares(type(was)) and self._same_text()

    def _same_text(self) -> bool:
        if self._text is None:
            self._text = self._write()
        return self._text


def bare(cls: type) -> object:
    """Return a class without its parameters: pydantic makes one for each."""
    return getattr(cls, "__pydantic_generic_metadata__", {}).get("origin") or cls


def _equal(was: object, came: object) -> bool | None:
    """Return what ``==`` says; None when it raises or says neither yes nor no."""
    try:
        answer: object = was == came
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - it is the user's code
        return None
    if isinstance(answer, bool):
        return answer
    # Subclasses of numbers may answer with a bool of their own.
    return False if isinstance(came, (str, int, float)) else None


def _is_same_builtin(was: Any, came: str | float) -> bool:
    """Compare a value of a subclass as what it is written as."""
    for cls in (str, int, float):
        if isinstance(came, cls) and isinstance(was, cls):
            return bool(vars(cls)["__eq__"](was, came) is True)
    return False


def _compares(cls: type) -> bool:
    """Tell whether a class has an ``==`` of its own."""
    return vars(object)["__eq__"] is not getattr(cls, "__eq__", None)


def _comes_back_as(was: object, came: object) -> bool:
    """Tell whether a value of a subclass may come back as what Python has built in."""
    cls = type(came)
    if isinstance(was, Enum) or hasattr(type(was), "_fields") or isinstance(was, bool):
        return False
    if cls is bytes:
        return isinstance(was, (bytearray, memoryview))
    if cls is float and type(was) is int:
        return True
    if cls is GENUINE.datetime or not isinstance(was, datetime):  # a datetime is a date to Python, and more than a date
        return cls.__module__ in _BUILT_IN and cls is not object and isinstance(was, cls)
    return False


def _extra(value: object) -> Any:
    return getattr(value, "__pydantic_extra__", None) or {}
