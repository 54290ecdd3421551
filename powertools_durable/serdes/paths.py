"""The way from a value to something inside it, as messages name it: ``result.pets[0].breed``.

A path names the fields of classes. A key of a dict may be data, so it is counted, unless an annotation names it, as
that of a TypedDict does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from powertools_durable.batch import BatchResult

__all__ = [
    "MISSING",
    "ROOT",
    "Key",
    "Path",
    "at_depth",
    "by_field",
    "by_index",
    "by_key",
    "field_names",
    "keys_of",
    "locate",
    "shown",
]

MISSING: Final = type("_Missing", (), {"__repr__": lambda _: "nothing"})()
_LONGEST_PATH = 200
_CONTAINERS = (dict, list, tuple, set, frozenset, BatchResult)


class Key(NamedTuple):
    """The last step of a path: a key of a dict, and its number, from 0."""

    key: object
    number: int


Path = tuple[Any, str | Key]
"""The path of what is around, and the last step."""

ROOT: Path = (None, "result")


def by_field(path: Path, name: str) -> Path:
    """Extend *path* by an attribute."""
    return path, f".{name}"


def by_index(path: Path, index: int) -> Path:
    """Extend *path* by a place in a sequence."""
    return path, f"[{index}]"


def by_key(path: Path, key: object, number: int) -> Path:
    """Extend *path* by a key of a dict, which has that *number*, from 0."""
    return path, Key(key, number)


def shown(path: Path, names: frozenset[str] = frozenset()) -> str:
    """Write a path; a very long one without its middle. Keys among *names* are written, others are counted."""
    steps = []
    place: Any = path
    while place is not None:
        place, step = place
        steps.append(step if isinstance(step, str) else _shown_key(step, names))
    text = "".join(reversed(steps))
    half = _LONGEST_PATH // 2
    return text if len(text) <= _LONGEST_PATH else f"{text[:half]} ... {text[-half:]}"


def _shown_key(step: Key, names: frozenset[str]) -> str:
    key, number = step
    return f"[{key!r}]" if type(key) is str and key in names else f"[key {number + 1}]"


def keys_of(path: Path) -> tuple[str, ...]:
    """Return the fields, keys and indexes of a path as JSON would have them: ``("pets", "0", "breed")``."""
    steps: list[str] = []
    place: Any = path
    while place is not ROOT and place is not None:
        place, step = place
        steps.append(step.lstrip(".").strip("[]") if isinstance(step, str) else str(step.key))
    return tuple(reversed(steps))


def field_names(value: object) -> list[str] | None:
    """Return the fields that a model, or the ``==`` of a dataclass, goes by; None when it is neither."""
    cls = type(value)
    if hasattr(cls, "__pydantic_core_schema__") and hasattr(cls, "__pydantic_fields_set__"):
        return list(cls.__pydantic_fields__ if hasattr(cls, "__pydantic_fields__") else cls.model_fields)  # type: ignore[attr-defined]
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls) if field.compare]
    return None


def parts_of(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what *value* holds, each with its path."""
    if isinstance(value, BatchResult):
        yield from ((by_field(by_index(path, place), "result"), item.result) for place, item in enumerate(value.items))
    elif isinstance(value, dict):
        for number, (key, item) in enumerate(value.items()):
            yield (path, f"[key {number + 1} itself]"), key
            yield by_key(path, key, number), item
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((by_field(path, name), item) for name, item in zip(value._fields, value, strict=False))
    elif isinstance(value, (list, tuple)):
        yield from ((by_index(path, index), item) for index, item in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from (((path, "[an element]"), item) for item in value)
    else:
        names = field_names(value)
        yield from ((by_field(path, name), getattr(value, name, MISSING)) for name in names or ())
        extra = {} if names is None else getattr(value, "__pydantic_extra__", None) or {}
        yield from ((by_key(path, key, number), item) for number, (key, item) in enumerate(extra.items()))


def locate(value: object, wanted: Callable[[Any], bool]) -> tuple[Path, Any] | None:
    """Return the first thing that is *wanted*, inside *value* or itself, and its path; the innermost is asked first."""
    entered: set[int] = set()
    pending: list[tuple[Path, Any, bool]] = [(ROOT, value, False)]
    while pending:
        path, item, left = pending.pop()
        if left:
            if wanted(item):
                return path, item
            continue
        pending.append((path, item, True))
        if id(item) not in entered:
            entered.add(id(item))
            pending += [(*part, False) for part in reversed(list(parts_of(item, path)))]
    return None


def at_depth(value: object, most: int) -> tuple[Path, int] | None:
    """Return the first place where containers are nested deeper than *most*, and how deep it goes below there.

    None when they are not. What contains itself has no end, and counts as deeper.
    """
    first: Path | None = None
    deepest = 0
    around: list[int] = []
    pending: list[tuple[Path, Any, int]] = [(ROOT, value, 0)]
    while pending:
        path, item, depth = pending.pop()
        del around[depth:]
        if not isinstance(item, _CONTAINERS) and field_names(item) is None:
            continue
        if depth + 1 > most and first is None:
            first = path
        deepest = max(deepest, depth + 1)
        if id(item) in around:
            return first or path, 0
        around.append(id(item))
        pending += [(*part, depth + 1) for part in reversed(list(parts_of(item, path)))]
    return None if first is None else (first, deepest)
