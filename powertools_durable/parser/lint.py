"""Warns of model defaults that are different at every replay.

The payload is parsed again by each invocation, so a field whose default is ``uuid4`` changes under the running
execution. Lambdas can't be recognised; the documentation shows ``ctx.uuid4()`` and ``ctx.now()`` instead.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints
from weakref import WeakSet

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from powertools_durable.errors.places import warn_the_user
from powertools_durable.parser.determinism import is_unstable

__all__ = ["unstable_fields", "warn_of_unstable_defaults"]

_BOUND = 1_000  # types looked at: a generated model may have no end
_WARNED: WeakSet[type] = WeakSet()  # classes, not executions: nothing of an invocation is kept


def warn_of_unstable_defaults(model: Any) -> None:
    """Warn, once per class, of default factories that give another value at each replay.

    Parameters
    ----------
    model : Any
        A model, dataclass or any type that may contain some; nested ones are looked at too.
    """
    for cls, fields in _findings(model):
        if cls not in _WARNED:
            _WARNED.add(cls)
            warn_the_user(_text(cls, fields), _category())


def _text(cls: type, fields: list[str]) -> str:
    return (
        f"{cls.__name__}.{', .'.join(fields)}: the default is made anew at every replay of a durable execution, so it "
        "changes while the execution runs. Make the field required, or make the value in the handler: ctx.uuid4(), "
        "ctx.now(), or a step"
    )


def _category() -> type[Warning]:
    try:
        from aws_lambda_powertools.warnings import PowertoolsUserWarning
    except ImportError:  # it has moved: the warning matters more than its class
        return UserWarning
    return PowertoolsUserWarning


def _findings(model: Any) -> Iterator[tuple[type, list[str]]]:
    queue: deque[Any] = deque([model])
    seen: set[int] = set()
    while queue and len(seen) < _BOUND:
        found = queue.popleft()
        if id(found) in seen:
            continue
        seen.add(id(found))
        queue.extend(_parts(found))
        if isinstance(found, type) and (unstable := [name for name, _ in unstable_fields(found)]):
            yield found, unstable


def unstable_fields(cls: type) -> list[tuple[str, Any]]:
    """Return the fields of a model or dataclass whose default factory returns another value each time."""
    return [(name, make) for name, make in _factories(cls) if is_unstable(make)]


def _parts(found: Any) -> Iterator[Any]:
    """Yield the types that *found* mentions: arguments, fields, the value behind an alias or a `NewType`."""
    yield from get_args(found)
    for attribute in ("__value__", "__supertype__", "__origin__"):
        if (behind := getattr(found, attribute, None)) is not None:
            yield behind
    if isinstance(found, type):
        yield from _annotations(found)


def _annotations(cls: type) -> Iterator[Any]:
    if issubclass(cls, BaseModel):
        yield from (field.annotation for field in cls.model_fields.values())
    elif dataclasses.is_dataclass(cls) or hasattr(cls, "__total__"):  # TypedDict, also that of typing_extensions
        try:
            yield from get_type_hints(cls, include_extras=True).values()
        except Exception:  # noqa: BLE001 - a lint never breaks what pydantic accepts
            return


def _factories(cls: type) -> Iterator[tuple[str, Any]]:
    if issubclass(cls, BaseModel):
        yield from ((name, field.default_factory) for name, field in cls.model_fields.items())
    elif dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            inner = field.default if isinstance(field.default, FieldInfo) else field
            yield field.name, inner.default_factory
