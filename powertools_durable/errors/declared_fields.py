"""Which fields a type declares, at the place where pydantic refused one that it does not declare.

The name of the refused field is data, and is not shown (G10). The declared names help instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

__all__ = ["REFUSED_FIELD", "declared_at"]

REFUSED_FIELD = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""The kinds of pydantic's errors that are about a field which is not declared."""

_MOST_NAMED = 10
_LONGEST = 300  # characters
_FIELDS = frozenset({"model-fields", "typed-dict", "dataclass-args"})
_ITEMS = frozenset({"list", "set", "frozenset", "tuple", "generator"})
_WRAPPED = ("schema", "lax_schema", "json_schema")  # two of a pair describe the same fields

_Node: TypeAlias = "tuple[frozenset[str], Mapping[str, Any]]"
"""A part of a schema, and what pydantic calls it as the branch of a union: the class around it, and its tag."""
_NO_NAMES = frozenset[str]()


def declared_at(schemas: Iterable[object], location: tuple[object, ...]) -> str:
    """Return ``Order takes id, lines``.

    Parameters
    ----------
    schemas : Iterable
        Pydantic's schemas of the types that it read with.
    location : tuple
        Where the refused field is, its own name at the end.

    Returns
    -------
    str
        The class at that place and the names that its input may have; empty unless there is exactly one class.
    """
    try:
        found = {text for schema in schemas for text in _texts(schema, location[:-1], location[-1])}
    except Exception:  # noqa: BLE001 - a schema of a later pydantic must not hide the error
        return ""
    return found.pop() if len(found) == 1 else ""


def _texts(schema: object, location: tuple[object, ...], refused: object) -> Iterator[str]:
    definitions = _definitions(schema)
    nodes = list(_opened([(_NO_NAMES, schema)], definitions))
    for part in location:
        branch = [node for node in nodes if part in node[0]]
        nodes = [*_opened(_below(nodes, part), definitions), *branch] or nodes  # else a name of pydantic's own
    for _, node in nodes:
        if node["type"] in _FIELDS:
            names = [_input_name(name, field) for name, field in _fields(node)]
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            if refused in names:  # declared, and refused for another reason
                continue
            takes = ", ".join(names[:_MOST_NAMED]) + more if names else "no fields"
            yield f"{_owner(node)} takes {takes}"[:_LONGEST]


def _definitions(schema: object) -> dict[str, object]:
    found: dict[str, object] = {}
    while isinstance(schema, dict) and schema.get("type") == "definitions":
        found.update((part["ref"], part) for part in schema["definitions"])
        schema = schema["schema"]
    return found


def _opened(nodes: Iterable[tuple[frozenset[str], object]], definitions: Mapping[str, object]) -> Iterator[_Node]:
    """Yield the parts with fields, items or values, below what is around them."""
    pending, seen = list(nodes), set()
    while pending:
        names, node = pending.pop()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        if node["type"] in _FIELDS or node["type"] in _ITEMS or node["type"] == "dict":
            yield names, node
            continue
        names |= {getattr(node.get("cls"), "__name__", "")}
        choices = node.get("choices", ())
        if isinstance(choices, dict):
            pending += [(names | {str(tag)}, choice) for tag, choice in choices.items()]
        else:
            pending += [(names, choice[0] if isinstance(choice, tuple) else choice) for choice in choices]
        pending += [(names, node[key]) for key in _WRAPPED if key in node][:1]
        if node["type"] == "definition-ref":
            pending.append((names, definitions.get(node["schema_ref"])))


def _below(nodes: Iterable[_Node], part: object) -> Iterator[tuple[frozenset[str], object]]:
    """Yield the schemas of what lies at *part*."""
    for _, node in nodes:
        if node["type"] in _FIELDS:
            declared = [field for name, field in _fields(node) if part in {name, _input_name(name, field)}]
            yield from ((_NO_NAMES, field["schema"]) for field in declared)
            if not declared and "extras_schema" in node:
                yield _NO_NAMES, node["extras_schema"]
        elif node["type"] == "dict":
            yield _NO_NAMES, node.get("values_schema")
        elif isinstance(part, int):
            items = node.get("items_schema")
            yield _NO_NAMES, items[min(part, len(items) - 1)] if isinstance(items, list) and items else items


def _owner(node: Mapping[str, Any]) -> str:
    """Return the name of the class that has the fields."""
    name = node.get("model_name") or node.get("dataclass_name") or getattr(node.get("cls"), "__name__", None)
    return str(name or "the type")


def _fields(node: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    fields = node["fields"]
    return list(fields.items()) if isinstance(fields, dict) else [(field["name"], field) for field in fields]


def _input_name(name: str, field: Mapping[str, Any]) -> str:
    """Return the name of a field in the input: its alias, of several the first, of a path its beginning."""
    alias: Any = field.get("validation_alias") or name
    while isinstance(alias, list):
        alias = alias[0]
    return str(alias)
