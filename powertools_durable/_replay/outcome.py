"""How code ended, as a value: nothing is thrown into an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Outcome", "Raised", "Returned"]


@dataclass(frozen=True, slots=True)
class Returned:
    """The code returned this."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The code raised this."""

    error: Exception


Outcome: TypeAlias = Returned | Raised
