"""How code ended, as a value, because no exception is thrown into an operation."""

from __future__ import annotations

from typing import Any, TypeAlias

from powertools_durable._frozen import frozen
from powertools_durable.errors import SuspendExecution

__all__ = ["Ending", "Outcome", "Raised", "Returned", "Suspended"]


@frozen
class Returned:
    """The code returned *value*."""

    value: Any


@frozen
class Raised:
    """The code raised *error*."""

    error: Exception


@frozen
class Suspended:
    """The code was suspended by *signal*, even if it swallowed the signal; its context has not ended.

    Only drivers see this outcome. A driver closes the flow that waits for the code, and sends it no answer.
    """

    signal: SuspendExecution


Outcome: TypeAlias = Returned | Raised
Ending: TypeAlias = Outcome | Suspended
