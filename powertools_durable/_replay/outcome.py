"""How code ended, as a value: nothing is thrown into an operation."""

from __future__ import annotations

from typing import Any, TypeAlias

from powertools_durable._frozen import frozen

__all__ = ["Outcome", "Raised", "Returned"]


@frozen
class Returned:
    """The code returned this."""

    value: Any


@frozen
class Raised:
    """The code raised this."""

    error: Exception


Outcome: TypeAlias = Returned | Raised
