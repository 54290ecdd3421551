"""Which texts in a place, such as ``lines.0.sku``, are names that the user's types give.

Any other is a key of a dict, which may be data, and no message shows it (G10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

__all__ = ["A_KEY", "names_in", "names_used_by", "schemas_used_by", "without_keys"]

A_KEY: Final = "[a key]"
_KEY_ITSELF = "[key]"  # pydantic's own word: what is wrong is the key before it
_THE_KEY = "[a key itself]"
_PARTS = re.compile(r"[^\[\](){},|\s]+")
# What pydantic calls the branches of a union, besides the words that its schemas have for types.
_LABELS = frozenset(
    {"constrained-float", "constrained-int", "constrained-str", "definition-ref", "enum", "float-enum", "int-enum"}
    | {"function-after", "function-before", "function-plain", "function-wrap", "json-or-python", "lax-or-strict"}
    | {"is-instance", "nullable", "str-enum", "tagged-union", "union"}
)
_NO_NAMES = frozenset({"metadata", "config", "default"})
_HOLDERS = ("self", "cls", "__dataclass_self__")  # local variables of pydantic's own functions


def names_in(schema: object) -> frozenset[str]:
    """Return every text in a schema of pydantic: fields, aliases, tags and classes; none of them is data."""
    names = set(_LABELS)
    pending = [schema]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            names.add(node)
        elif isinstance(node, dict):
            if id(node) not in seen:
                seen.add(id(node))
                names.update(key for key in node if isinstance(key, str))
                pending += [part for key, part in node.items() if key not in _NO_NAMES]
        elif isinstance(node, list | tuple | set | frozenset):
            pending += node
        elif isinstance(name := getattr(node, "__name__", None), str):
            names.update((name, getattr(node, "__qualname__", name)))
    return frozenset(names)


def names_used_by(error: BaseException) -> frozenset[str]:
    """Return the names of the types that pydantic read with when it raised *error*: its stack frames hold them."""
    return frozenset[str]().union(*map(names_in, schemas_used_by(error)))


def schemas_used_by(error: BaseException) -> list[object]:
    """Return the schemas of pydantic that it read with when it raised *error*."""
    found = [
        _schema_of(frame.f_locals.get(holder))
        for frame in _frames(error)
        if str(frame.f_globals.get("__name__", "")).startswith("pydantic.")
        for holder in _HOLDERS
    ]
    return [schema for schema in found if schema is not None]


def without_keys(location: tuple[object, ...], names: frozenset[str]) -> tuple[int | str, ...]:
    """Return a *location* of pydantic's with ``[a key]`` in place of each text that is not among *names*."""
    shown: list[int | str] = []
    for part in location:
        if isinstance(part, int):
            shown.append(part)
        elif part == _KEY_ITSELF and shown:
            shown[-1] = _THE_KEY
        else:
            text = str(part)
            is_name = text in names or names.issuperset(_PARTS.findall(text) or [text])
            shown.append(text if is_name else A_KEY)
    return tuple(shown)


def _frames(error: BaseException) -> Iterator[FrameType]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame
        step = step.tb_next


def _schema_of(holder: Any) -> object:
    for attribute in ("__pydantic_core_schema__", "core_schema"):
        found = getattr(holder, attribute, None)
        if isinstance(found, dict):
            return found
    return None
