"""What an invariant looks at."""

from __future__ import annotations

from collections.abc import Iterator

from tests.properties.events import Trace
from tests.properties.reading import Execution

__all__ = ["Found", "View"]

Found = Iterator[tuple[int, str]]


class View:
    """What the invariants look at: one execution of a trace, and the same one of the trace without crashes."""

    def __init__(self, trace: Trace, one: Execution, reference: Trace | None, other: Execution | None) -> None:
        self.trace = trace
        self.one = one
        self.reference = reference
        self.other = other

    @property
    def is_first(self) -> bool:
        """Tell whether this is the traced execution, and not one that it invoked."""
        return self.one.arn == self.trace.arn
