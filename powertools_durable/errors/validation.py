"""What may be said of a pydantic ``ValidationError``: places and kinds, not the values that were refused.

Histories are read by operators, and logs by many. Pydantic is not imported for it: the error is told by its class.
"""

from __future__ import annotations

from typing import Any

__all__ = ["is_validation_error", "words_of"]

_NAMED = 10  # errors in the message
_ENUMERATED = 10_000  # past this many, pydantic's list of them would cost more memory than it is worth
_CUT = 500  # characters of one place


def is_validation_error(error: BaseException) -> bool:
    """Tell whether *error* is pydantic's, whose text repeats what was refused."""
    cls = type(error)
    return cls.__module__ == "pydantic_core._pydantic_core" and cls.__name__ == "ValidationError"


def words_of(error: Any) -> str:
    """Return ``2 validation errors for Order: id (int_parsing), sku (missing)``."""
    count: int = error.error_count()
    text = f"{count} validation error{'s' if count != 1 else ''} for {_shortened(error.title)}"
    if count > _ENUMERATED:
        return text
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{_place(one['loc'])} ({one['type']})" for one in found[:_NAMED]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{text}: {', '.join(shown)}{more}"


def _place(location: tuple[object, ...]) -> str:
    return _shortened(".".join(map(str, location))) or "value"


def _shortened(text: str) -> str:
    return text if len(text) <= _CUT else text[:_CUT] + "…"
