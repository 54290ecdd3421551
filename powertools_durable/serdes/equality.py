"""Compares models that were written with those that were read back: all models of a list at once, by their fields.

``BaseModel.__eq__`` is Python code that runs once for each model and takes about as long as reading it. What it
compares is compared here by the interpreter, for all models in one go. This is a fast yes only: what is not equal this
way is compared by ``==``, and so is every class with an ``==`` of its own.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter, eq
from typing import Any, NamedTuple

from powertools_durable.serdes.base import is_equal

__all__ = ["are_models_equal", "mentions_model"]

_CONTAINERS: frozenset[type] = frozenset({list, tuple, dict})
_PYDANTIC_MODELS = "pydantic.main"  # where the ``==`` is written that models have unless they write one


def are_models_equal(value: object, seen: object) -> bool:
    """Tell whether two values of one class, which hold models, are equal."""
    cls: type = type(value)
    try:
        if (cls in _CONTAINERS or _state_of(cls) is not None) and _are_same((value,), (seen,)):
            return True
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001, S110 - fields may be of the user's classes; ``==`` decides
        pass
    return is_equal(value, seen)


def _are_same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Tell whether each of *some* certainly equals the one of *others* at its place."""
    classes = set(map(type, some))
    if len(some) != len(others) or classes != set(map(type, others)):
        return False
    if len(classes) != 1:
        return some == others
    (cls,) = classes
    if cls is list or cls is tuple:
        return list(map(len, some)) == list(map(len, others)) and _are_same(_flat(some), _flat(others))
    if cls is dict:
        keys = list(map(list, some)) == list(map(list, others))
        return keys and _are_same(_flat(map(dict.values, some)), _flat(map(dict.values, others)))
    state = _state_of(cls)
    if state is None:
        return some == others
    mine, theirs = list(map(state.of, some)), list(map(state.of, others))
    if not state.nested:
        return mine == theirs
    return [one[1:] for one in mine] == [one[1:] for one in theirs] and all(
        (_are_same if name in state.nested else eq)([one[0][name] for one in mine], [one[0][name] for one in theirs])
        for name in state.names
    )


def _flat(containers: Iterable[Iterable[Any]]) -> list[Any]:
    return list(chain.from_iterable(containers))


class _State(NamedTuple):
    """What ``BaseModel.__eq__`` compares of a class."""

    of: Callable[[Any], Any]  # the dict of the fields comes first
    names: tuple[str, ...]
    nested: frozenset[str]  # fields that may hold models


@functools.lru_cache(maxsize=256)
def _state_of(cls: type) -> _State | None:
    """Return what a model's equality goes by; None when its ``==`` is not pydantic's."""
    if getattr(cls.__eq__, "__module__", None) != _PYDANTIC_MODELS:
        return None
    model: Any = cls
    fields = model.model_fields
    private = ("__pydantic_private__",) if model.__private_attributes__ else ()
    nested = frozenset(name for name, field in fields.items() if mentions_model(field.annotation))
    return _State(attrgetter("__dict__", "__pydantic_extra__", *private), tuple(fields), nested)


def mentions_model(annotation: Any) -> bool:
    """Tell whether a model stands in an annotation, as far as it is written out: only the speed depends on it."""
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_fields_set__"):
        return True
    return any(mentions_model(part) for part in typing.get_args(annotation))
