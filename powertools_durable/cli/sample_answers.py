"""Answers to callbacks: a sample that fits, and whether an answer fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from powertools_durable.serdes import ModelSerDes, PassThrough

__all__ = ["sample_answer"]

_DEEPEST: Final = 6
_UNKNOWN: Final = "{}"  # can be pasted as it is, as each sample can
_SAMPLES: Final[dict[str, Any]] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "null": None,
}
_FORMATS: Final = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "ada@example.com",
    "uri": "https://example.com",
    "decimal": "1.50",
}


def sample_answer(format_: object) -> str:
    """Return JSON that fits the type which a callback's answer has; an empty object if that is not known.

    Parameters
    ----------
    format_ : object
        The serdes of the answer.
    """
    if isinstance(format_, PassThrough):
        return '"text"'
    if not isinstance(format_, ModelSerDes):
        return _UNKNOWN
    try:
        schema = format_.json_schema()
        return json.dumps(_sample(schema, schema.get("$defs", {}), 0))
    except Exception:  # noqa: BLE001 - a type of the user's that has no schema: the sample is a convenience
        return _UNKNOWN


def _sample(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    inner = [definitions[schema["$ref"].rpartition("/")[2]]] if "$ref" in schema else []
    inner += [choice for key in ("anyOf", "oneOf", "allOf") for choice in schema.get(key, ())]
    return _sample(inner[0], definitions, depth + 1) if inner else _plain_sample(schema, definitions, depth + 1)


def _plain_sample(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> Any:
    match schema.get("type", "object"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _sample(properties[name], definitions, depth) for name in schema.get("required", ())}
        case "array" if schema.get("minItems"):
            return [_sample(schema.get("items") or {}, definitions, depth)] * int(schema["minItems"])
        case "string":
            return _FORMATS.get(schema.get("format", ""), "text")
        case "integer" | "number" if "minimum" in schema:
            return schema["minimum"]
        case "integer" | "number" if "exclusiveMinimum" in schema:
            return schema["exclusiveMinimum"] + 1
        case kind:
            return _SAMPLES.get(kind, {})
