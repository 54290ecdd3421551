"""What the intrinsic functions of a template come to, as far as it can be known without deploying it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from powertools_durable.cli.diagnosis.templates.reading import Items, Section

__all__ = ["UNKNOWN", "chosen", "listed", "number_of", "references", "text_of"]

UNKNOWN = "${?}"

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


def chosen(value: Any) -> Any:
    """Return *value*, or of an ``Fn::If`` the branch that is a value; None for ``AWS::NoValue``."""
    match value:
        case {"Fn::If": [_, first, second]} if len(value) == 1:
            kept = chosen(first)
            return chosen(second) if kept is None else kept
        case {"Ref": "AWS::NoValue"}:
            return None
        case _:
            return value


def listed(value: Any) -> list[Any]:
    """Return the items of a list; a single value is a list of one, and no value an empty one."""
    value = chosen(value)
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [kept for kept in map(chosen, items) if kept is not None]


def text_of(value: Any) -> str:
    """Return a text in which ``${Order.Arn}`` stands for a reference, and `UNKNOWN` for what can't be known."""
    match chosen(value):
        case bool() as flag:
            return str(flag).lower()
        case str() | int() as plain:
            return str(plain)
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [*parts]}:
            return f"${{{'.'.join(map(str, parts))}}}"
        case {"Fn::GetAtt": str(name)}:
            return f"${{{name}}}"
        case {"Fn::Sub": str(pattern)}:
            return pattern
        case {"Fn::Sub": [str(pattern), dict(values)]}:
            return _VARIABLE.sub(lambda found: text_of(values[found[1]]) if found[1] in values else found[0], pattern)
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(text_of, parts))
        case _:
            return UNKNOWN


def number_of(value: Any, template: Section) -> int | None:
    """Return a number; of a parameter its default; None if it is not known."""
    match chosen(value):
        case bool():
            return None
        case int(number):
            return number
        case str(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text):
            return int(text)
        case {"Ref": str(name)}:
            parameters = template.get("Parameters")
            parameter = parameters.get(name) if isinstance(parameters, Section) else None
            return number_of(parameter.get("Default"), template) if isinstance(parameter, Section) else None
        case _:
            return None


def references(value: Any) -> Iterator[str]:
    """Yield the names of the resources and parameters to which *value* refers, at any depth."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]} | {"Fn::GetAtt": str(name)}:
            yield name.partition(".")[0]
        case {"Fn::Sub": pattern}:
            text = pattern[0] if isinstance(pattern, Items) and pattern else pattern
            if isinstance(text, str):
                yield from (name.strip().partition(".")[0] for name in _VARIABLE.findall(text))
            if isinstance(pattern, Items):
                yield from references(Items(pattern[1:]))
        case Section():
            for part in value.values():
                yield from references(part)
        case list():
            for part in value:
                yield from references(part)
        case _:
            pass
