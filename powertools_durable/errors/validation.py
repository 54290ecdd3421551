"""What may be said of a pydantic ``ValidationError``: places and kinds, not the values that were refused.

Histories are read by operators, and logs by many. A key of a dict is data too, so a place names what the user's types
name. Pydantic is not imported for it: the error is told by its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from powertools_durable.errors.declared_fields import REFUSED_FIELD, declared_at
from powertools_durable.errors.type_names import names_used_by, schemas_used_by, without_keys

__all__ = ["details_of", "is_validation_error", "kind_of", "place_of", "words_of"]

_NAMED = 10  # errors in the message
_ENUMERATED = 10_000  # past this many, pydantic's list of them would cost more memory than it is worth
_CUT = 500  # characters of one place


def is_validation_error(error: BaseException) -> bool:
    """Tell whether *error* is pydantic's, whose text repeats what was refused."""
    cls = type(error)
    return cls.__module__ == "pydantic_core._pydantic_core" and cls.__name__ == "ValidationError"


def details_of(error: Any, most: int, *, include_input: bool = False) -> list[dict[str, Any]]:
    """Return pydantic's own details of the first *most* errors, none where there are more than it pays to list.

    Their ``loc`` is without keys of dicts, unless *include_input*; then the refused values are there, too. Where a
    field was refused, ``takes`` names those that are declared.
    """
    if error.error_count() > _ENUMERATED:
        return []
    found: list[dict[str, Any]] = error.errors(include_url=False, include_context=False, include_input=include_input)[
        :most
    ]
    for details in found:
        if details["type"] in REFUSED_FIELD and (takes := declared_at(schemas_used_by(error), details["loc"])):
            details["takes"] = takes
    if not include_input:
        names = names_used_by(error)
        for details in found:
            details["loc"] = without_keys(details["loc"], names)
    return found


def words_of(error: Any) -> str:
    """Return ``2 validation errors for Order: id (int_parsing), sku (missing)``."""
    count: int = error.error_count()
    text = f"{count} validation error{'s' if count != 1 else ''} for {_shortened(error.title)}"
    if count > _ENUMERATED:
        return text
    shown = [f"{_shortened(place_of(one['loc'])) or 'value'} ({kind_of(one)})" for one in details_of(error, _NAMED)]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{text}: {', '.join(shown)}{more}"


def kind_of(details: Mapping[str, Any]) -> str:
    """Return ``int_parsing``, or ``extra_forbidden; Order takes id, lines``."""
    kind: str = details["type"]
    return f"{kind}; {details['takes']}" if "takes" in details else kind


def place_of(location: Iterable[object]) -> str:
    """Return ``lines.0.sku``; a key that is not shown follows without a dot."""
    return ".".join(map(str, location)).replace(".[a key", "[a key")


def _shortened(text: str) -> str:
    return text if len(text) <= _CUT else text[:_CUT] + "…"
