"""Why something failed, as far as it was recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors.places import is_own_place, is_users_place
from powertools_durable.errors.rebuilding import raised_at_first

__all__ = ["TimelineFailure", "innermost_place"]


@dataclass(frozen=True, slots=True)
class TimelineFailure:
    """An error.

    Attributes
    ----------
    type : str | None
        The class that was raised at first: ``shop.OutOfStockError``.
    message : str | None
        Its message.
    stack : tuple[str, ...]
        The lines that it passed, innermost last, if stack traces were recorded.
    recorded_type : str | None
        The class as it was recorded: that of the operation, such as ``StepError(shop.OutOfStockError)``.
    """

    type: str | None
    message: str | None
    stack: tuple[str, ...] = ()
    recorded_type: str | None = None

    @classmethod
    def of(cls, error: ErrorObject | None) -> TimelineFailure | None:
        """Return an error as it was recorded; None for None."""
        if error is None:
            return None
        return cls(raised_at_first(error), error.error_message, tuple(error.stack_trace or ()), error.error_type)

    @property
    def size(self) -> int:
        """About how many bytes it takes in a record; data that a caller attached to it is not counted."""
        fields = {"ErrorType": self.type, "ErrorMessage": self.message, "StackTrace": list(self.stack) or None}
        present = {key: value for key, value in fields.items() if value is not None}
        return len(json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))

    @property
    def short_type(self) -> str:
        """The class without its module; empty if it is not known."""
        return (self.type or "").rpartition(".")[2]

    @property
    def place(self) -> str | None:
        """``shop.py:31 in declined``: the innermost line of the user's code; None if it is not known."""
        return innermost_place(self.stack)

    @property
    def text(self) -> str:
        """``KeyError: 'sku'``; empty if neither was recorded."""
        return ": ".join(filter(None, (self.short_type, self.message)))

    @property
    def with_place(self) -> str:
        """``KeyError: 'sku' (shop.py:31 in pick)``."""
        return f"{self.text} ({self.place})" if self.place else self.text


def innermost_place(stack: Sequence[str] | None) -> str | None:
    """Return the innermost line of the user's code in a recorded stack trace, else of a library's that it called."""
    lines = list(filter(is_users_place, stack or ())) or [line for line in stack or () if not is_own_place(line)]
    return lines[-1] if lines else None
