"""What the names in an annotation mean, so that a remembered format is used only as long as they mean the same.

A test may put another class in the place of one, for its own time only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from powertools_durable._functions import resolved

__all__ = ["Meanings", "looked_up", "meanings_of", "still_mean"]

Meanings = tuple[tuple[str, object], ...]

_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def meanings_of(func: FunctionType, annotation: object) -> Meanings:
    """Return what each name in *annotation*, which may be text, means where *func* was defined."""
    if not isinstance(annotation, str):
        return ()
    return tuple((name, _meaning(func.__globals__, name)) for name in set(_NAME.findall(annotation)))


def still_mean(func: FunctionType, meanings: Meanings) -> bool:
    """Tell whether these names mean the same there as when `meanings_of` looked."""
    namespace = func.__globals__
    for name, meaning in meanings:  # a generator would take twice as long, for each step
        if namespace.get(name) is not meaning and _meaning(namespace, name) is not meaning:
            return False
    return True


def _meaning(namespace: Mapping[str, object], name: str) -> object:
    if (meaning := namespace.get(name)) is not None or "." not in name:
        return meaning
    first, *attributes = name.split(".")
    meaning = namespace.get(first)
    for attribute in attributes:
        meaning = getattr(meaning, attribute, None)
    return meaning


def looked_up(func: FunctionType | None, raw: object) -> Any:
    """Return what an annotation means that was written at *func*; None where that can't be told."""
    if func is None and isinstance(raw, type):  # a class
        return raw
    names = (func.__globals__, _enclosing(func)) if func is not None else ({}, {})
    try:
        return resolved(raw, *names)
    except Exception:  # noqa: BLE001 - an annotation may be any text; then it tells nothing
        return None


def _enclosing(func: FunctionType) -> dict[str, Any]:
    names = {}
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names
