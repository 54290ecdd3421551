"""What an annotation without a model in it promises of a value: the classes that it may have."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

__all__ = ["classes_of", "named"]

_NONE = type(None)
# What type checkers take for the one on the left.
_WIDER: dict[Any, tuple[type, ...]] = {
    float: (float, int),
    complex: (complex, float, int),
    bytes: (bytes, bytearray, memoryview),
}
_NO_PROMISE: tuple[Any, ...] = (Any, object, typing.NoReturn, typing.Never, typing.Self)
_DEEPEST = 50  # an alias may name itself


def classes_of(annotation: Any, depth: int = 0) -> tuple[type, ...] | None:
    """Return the classes that values annotated so may have; None when any value fits.

    Of a generic type the container's class counts, what it holds does not. No promise are ``object``, a ``TypeVar``,
    a ``Protocol``, ``NoReturn``, and what can't be resolved.
    """
    if annotation is None:
        return (_NONE,)
    if depth > _DEEPEST or any(annotation is one for one in _NO_PROMISE):
        return None
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return tuple({type(one) for one in parts})
    if origin is typing.Union or origin is types.UnionType:
        found = [classes_of(one, depth + 1) for one in parts]
        return None if None in found else tuple(cls for classes in found for cls in classes or ())
    within = parts[0] if origin is Annotated else origin or _aliased(annotation)
    if within is not None:
        return classes_of(within, depth + 1)
    if not isinstance(annotation, type) or getattr(annotation, "_is_protocol", False):
        return None
    return _WIDER.get(annotation, (annotation,))


def _aliased(annotation: Any) -> Any:
    """Return what a NewType, or an alias by the type statement of Python 3.12, stands for."""
    if isinstance(annotation, type):
        return None
    return getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)


def fits(value: object, classes: tuple[type, ...]) -> bool:
    """Tell whether *value* is of one of *classes*; a metaclass that can't say does not refuse."""
    try:
        return isinstance(value, classes)
    except Exception:  # noqa: BLE001 - __instancecheck__ is the user's code
        return True


def named(annotation: Any) -> str:
    """Return an annotation as it is written, without the modules of its classes: ``list[Order] | None``."""
    if annotation is None or annotation is _NONE:
        return "None"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__.rpartition("<locals>.")[2]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return " | ".join(map(named, parts))
    if isinstance(origin, type) and parts:
        return f"{named(origin)}[{', '.join('...' if part is ... else named(part) for part in parts)}]"
    return str(annotation).replace("typing.", "")
