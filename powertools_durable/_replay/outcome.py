"""How code ended, as a value: nothing is thrown into an operation."""

from __future__ import annotations

from typing import Any, TypeAlias

from powertools_durable._frozen import frozen
from powertools_durable.errors import SuspendExecution

__all__ = ["Ending", "Outcome", "Raised", "Returned", "Suspended"]


@frozen
class Returned:
    """The code returned this."""

    value: Any


@frozen
class Raised:
    """The code raised this."""

    error: Exception


@frozen
class Suspended:
    """The code was left by this signal, also if it swallowed it: the context has not ended.

    For drivers only. A driver closes the flow that waits for the code, and sends it nothing.
    """

    signal: SuspendExecution


Outcome: TypeAlias = Returned | Raised
Ending: TypeAlias = Outcome | Suspended
