"""Looks through whatever wraps a function: one way for the whole package.

A decorator may leave a function, a `functools.partial`, a method, the object of `functools.cache`, or an instance of a
class of its own. What was written below it is found by the attributes that Python has for this.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

__all__ = ["UNANNOTATED", "innermost", "layers", "return_annotation"]

UNANNOTATED: Any = inspect.Signature.empty
_MOST_LAYERS = 100  # an object that has every attribute has a ``__wrapped__`` without end


def layers(function: Any) -> Iterator[Any]:
    """Yield *function* and what it wraps, the outermost first."""
    seen: set[int] = set()
    layer = function
    while layer is not None and id(layer) not in seen and len(seen) < _MOST_LAYERS:
        seen.add(id(layer))
        yield layer
        layer = _wrapped_by(layer)


def innermost(function: Any) -> Any:
    """Return the function that was written, below partials, decorators, methods and callable objects."""
    *_, layer = layers(function)
    return layer if isinstance(layer, FunctionType) else type(layer).__call__


def return_annotation(function: Any) -> tuple[Any, FunctionType | None]:
    """Return what *function* is annotated to return, and the function at which that was written.

    Returns
    -------
    tuple[Any, FunctionType | None]
        The annotation as it stands there, perhaps text; `UNANNOTATED` when there is none. A class is annotated with
        itself. The function tells where names in a text are looked up; None when that is unknown.
    """
    remaining = layers(function)
    for layer in remaining:
        if isinstance(layer, type):
            return layer, None
        found = _own_annotation(layer)
        if found is UNANNOTATED:
            continue
        written_at = layer if isinstance(layer, FunctionType) else None
        for below in remaining:  # functools.wraps copies annotations; names are those of the function that was written
            if isinstance(below, FunctionType) and _own_annotation(below) is found:
                written_at = below
        return found, written_at
    return UNANNOTATED, None


def _wrapped_by(layer: Any) -> Any:
    if isinstance(layer, functools.partial):
        return layer.func
    for name in ("__func__", "__wrapped__"):
        inner = _attribute(layer, name)
        if inner is not None and not isinstance(layer, type):
            return inner
    if isinstance(layer, (FunctionType, type)):
        return None
    call = _attribute(type(layer), "__call__")
    return call if isinstance(call, FunctionType) else None


def _own_annotation(layer: Any) -> Any:
    if isinstance(layer, FunctionType):
        annotations = _attribute(layer, "__annotations__") or {}
        if "return" in annotations:
            return annotations["return"]
    if _wrapped_by(layer) is None or not _wraps(layer):
        signature = _attribute(layer, "__signature__")
        if isinstance(signature, inspect.Signature):
            return signature.return_annotation
    return UNANNOTATED


def _wraps(layer: Any) -> bool:
    """Tell whether *layer* is around another function, which is then asked before its ``__signature__``."""
    return isinstance(layer, functools.partial) or any(
        _attribute(layer, name) is not None for name in ("__func__", "__wrapped__")
    )


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - properties are the user's code; on Python 3.14 annotations are evaluated here
        return None
